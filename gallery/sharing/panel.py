"""The share panel of the owner's page: who can watch the video, where, and what holds it back."""

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
    link: str  # absolute URL to give to others; "" if the video is private
    old_link: str  # unlisted link still valid beside the public URL; "" if there is none

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
        """Return why others can't see the video: "hidden", "refused" or "waiting"; "" if nothing holds it back."""
        if self.video.hidden_at:
            return "hidden"
        if self.is_private or self.video.safety == Safety.PASSED:
            return ""
        if self.video.safety == Safety.REFUSED:
            return "refused"
        return "waiting" if settings.SAFETY_CHECK else ""


def panel_of(request: HttpRequest, video: Video, form: TagsForm | None = None) -> SharePanel:
    """Build the panel, in one query. `form` is the rejected input, if any."""
    place = Place.to_share(video)
    token = video.share_token if video.visibility == Visibility.PUBLIC else None
    return SharePanel(
        video,
        form or TagsForm(initial={"tags": ", ".join(tags_of(video))}),
        link=request.build_absolute_uri(place.page) if place else "",
        old_link=request.build_absolute_uri(Place.behind(token).page) if token else "",
    )
