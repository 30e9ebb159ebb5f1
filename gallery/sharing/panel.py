"""The share panel of the owner's page: who can watch the video, where, and what holds it back."""

from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings
from django.http import HttpRequest
from django.utils import timezone

from gallery.models import CLEARED, MOST_ATTEMPTS, OwnCheck, Safety, SafetyRule, Screened, Screening, Video, Visibility
from gallery.sharing.forms import TagsForm
from gallery.sharing.places import Place
from gallery.sharing.selectors import tags_of

LATE = timedelta(minutes=2)  # checks usually take seconds
PENDING = ("checking", "late", "failed")


@dataclass(frozen=True)
class SharePanel:
    video: Video
    form: TagsForm
    link: str  # absolute URL to give to others; "" if the video is private
    old_link: str  # unlisted link still valid beside the public URL; "" if there is none
    kept_back: str  # see `kept_back`

    @property
    def is_private(self) -> bool:
        return self.video.visibility == Visibility.PRIVATE

    @property
    def is_unlisted(self) -> bool:
        return self.video.visibility == Visibility.UNLISTED

    @property
    def is_public(self) -> bool:
        return self.video.visibility == Visibility.PUBLIC

    @property
    def is_pending(self) -> bool:
        """Return whether the state may change by itself any moment, so that the page asks for it again."""
        return self.kept_back in PENDING

    @property
    def seconds_until_next_look(self) -> int:
        return 2 if self.kept_back == "checking" else 20


def kept_back(video: Video) -> str:
    """Return why others can't see the video, as far as its owner is concerned; "" if nothing holds it back.

    "hidden", "refused" (by the operator's own check), "not-approved" (by a moderator), "flagged" (waits for one),
    "given-up" (the same, because the check cannot look at it),
    "checking", "late" (the check should have been done long ago), "failed" (it failed and will be retried), "waiting"
    (for the operator's own check).
    """
    if video.hidden_at:
        return "hidden"
    if video.visibility == Visibility.PRIVATE:
        return ""
    if video.safety == Safety.REFUSED:
        return "refused"
    if video.screening == Screened.REFUSED:
        return "not-approved"
    is_own = bool(settings.SAFETY_CHECK) and video.safety != Safety.PASSED
    if is_own and video.screening == Screened.FLAGGED and _own_has_given_up(video):
        return "given-up"
    if video.screening not in CLEARED and SafetyRule.current().is_on:
        return _waits(video) if video.screening == Screened.FLAGGED else _progress(video)
    return "waiting" if is_own else ""


def _own_has_given_up(video: Video) -> bool:
    return OwnCheck.objects.filter(video=video, attempts__gte=MOST_ATTEMPTS).exists()


def _waits(video: Video) -> str:
    return "given-up" if Screening.objects.filter(video=video, highest=None).exists() else "flagged"


def _progress(video: Video) -> str:
    record = Screening.objects.filter(video=video).first()
    if record is not None and record.problem:
        return "failed"
    return "late" if record is not None and record.asked_at < timezone.now() - LATE else "checking"


def panel_of(request: HttpRequest, video: Video, form: TagsForm | None = None) -> SharePanel:
    """Build the panel, in one query, or three if something may hold the video back. `form` is the rejected input."""
    place = Place.to_share(video)
    token = video.share_token if video.visibility == Visibility.PUBLIC else None
    return SharePanel(
        video,
        form or TagsForm(initial={"tags": ", ".join(tags_of(video))}),
        link=request.build_absolute_uri(place.page) if place else "",
        old_link=request.build_absolute_uri(Place.behind(token).page) if token else "",
        kept_back=kept_back(video),
    )
