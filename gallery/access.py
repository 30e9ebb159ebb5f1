"""Which videos a person may see."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet

from accounts.http import Viewer
from gallery.models import Collection, Video, VideoQuerySet, Visibility
from gallery.models.video import TOKEN_LENGTH

# The permissions of the gallery, each defined in the Meta of a model (docs/developing.md, 'A permission').
MODERATE = "gallery.moderate"  # handles reports, hidden videos and people
PICK = "gallery.pick"  # chooses the picks of the staff


def library_of(user: Viewer) -> VideoQuerySet:
    """A person's own videos, without those in the trash."""
    return Video.objects.kept().filter(_own(user))


def trash_of(user: Viewer) -> VideoQuerySet:
    """A person's videos that they can still have back from the trash."""
    return Video.objects.in_trash().filter(_own(user))


def collections_of(user: Viewer) -> QuerySet[Collection]:
    return Collection.objects.filter(_own(user))


def visible_videos(user: Viewer) -> VideoQuerySet:
    """The videos that a person may watch, and so may create from: their own, and what everybody may find.

    Unlisted ones are not among them: who has the link sees them at its address, see `shared_videos`.
    """
    return Video.objects.kept().filter(_own(user) | Q(pk__in=Video.objects.listed().values("pk")))


def playable_videos(user: Viewer) -> VideoQuerySet:
    """The videos whose files this person is sent: those they may watch, and those that a moderator has to look at."""
    mine = visible_videos(user)
    if not user.has_perm(MODERATE):
        return mine
    theirs = Video.objects.open_to_moderation()
    return Video.objects.filter(Q(pk__in=mine.values("pk")) | Q(pk__in=theirs.values("pk")))


def _own(user: Viewer) -> Q:
    """What is this person's own: nothing, where nobody is signed in."""
    return Q(user_id=user.pk)


def shared_videos(token: str) -> VideoQuerySet:
    """The video behind an unlisted link, as long as the link is not revoked and the video may be shown."""
    if not is_token(token):
        return Video.objects.none()
    return Video.objects.shown().filter(share_token=token, visibility__in=(Visibility.UNLISTED, Visibility.PUBLIC))


def is_token(text: str) -> bool:
    """Whether the database need be asked."""
    return 0 < len(text) <= TOKEN_LENGTH and text.isascii() and text.isprintable()


def token_in(text: str) -> str:
    """The token of a link, out of an address. Raises ValueError where there is none."""
    if not is_token(text):
        raise ValueError("no token")
    return text


def shared_request_of(_user: Viewer, token: str) -> Mapping[str, Any] | None:
    """The request that made the video behind a link, with its seed; None where the link shows nothing."""
    return shared_videos(token).values_list("request", flat=True).first()


def request_of(user: Viewer, video_id: UUID) -> Mapping[str, Any] | None:
    """The request that made a video, with its seed; None where this person may not see it."""
    return visible_videos(user).filter(pk=video_id).values_list("request", flat=True).first()
