"""What the owner's page shows of sharing: who can watch the video, where, and what keeps it back."""

from dataclasses import dataclass

from django.conf import settings
from django.http import HttpRequest

from gallery.models import Safety, Video, Visibility
from gallery.sharing.forms import TagsForm
from gallery.sharing.places import Place
from gallery.sharing.selectors import tags_of


@dataclass(frozen=True)
class SharePanel:
    video: Video
    form: TagsForm
    link: str  # what others are given, absolute; "" while it is private
    old_link: str  # the unlisted link that goes on beside the public address; "" where there is none

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
    def kept_back(self) -> str:
        """Why others do not see what they were meant to: "hidden", "refused" or "waiting"; "" where they do."""
        if self.video.hidden_at:
            return "hidden"
        if self.is_private or self.video.safety == Safety.PASSED:
            return ""
        if self.video.safety == Safety.REFUSED:
            return "refused"
        return "waiting" if settings.SAFETY_CHECK else ""


def panel_of(request: HttpRequest, video: Video, form: TagsForm | None = None) -> SharePanel:
    """One query. `form` is what was typed, where it was wrong."""
    place = Place.to_share(video)
    token = video.share_token if video.visibility == Visibility.PUBLIC else None
    return SharePanel(
        video,
        form or TagsForm(initial={"tags": ", ".join(tags_of(video))}),
        link=request.build_absolute_uri(place.page) if place else "",
        old_link=request.build_absolute_uri(Place.behind(token).page) if token else "",
    )
