"""Access rules: the videos each viewer may see."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet

from accounts.http import Viewer
from accounts.staff import second_factor
from gallery.models import Collection, Video, VideoQuerySet, Visibility
from gallery.models.video import TOKEN_LENGTH

Recipe = tuple[Mapping[str, Any], Mapping[str, Any] | None]
"""A stored request and the plan with which it was rendered; None if the job is gone."""

# The gallery's permissions, each defined in a model's Meta (docs/developing.md, 'A permission').
MODERATE = "gallery.moderate"  # handle reports, hidden videos and users
PICK = "gallery.pick"  # choose the staff picks


def library_of(user: Viewer) -> VideoQuerySet:
    """Return the user's own videos, without those in the trash."""
    return Video.objects.kept().filter(_own(user))


def trash_of(user: Viewer) -> VideoQuerySet:
    """Return the user's videos that can still be restored from the trash."""
    return Video.objects.in_trash().filter(_own(user))


def collections_of(user: Viewer) -> QuerySet[Collection]:
    return Collection.objects.filter(_own(user))


def visible_videos(user: Viewer) -> VideoQuerySet:
    """Return the videos a viewer may watch and create from: their own, and the public ones.

    Excludes unlisted videos: those are visible only at their link, see `shared_videos`.
    """
    return Video.objects.kept().filter(_own(user) | Q(pk__in=Video.objects.listed().values("pk")))


def playable_videos(user: Viewer) -> VideoQuerySet:
    """Return the videos whose files a viewer may load: those they may watch and, for moderators, those under review."""
    mine = visible_videos(user)
    if not second_factor.may(user, MODERATE):
        return mine
    theirs = Video.objects.open_to_moderation()
    return Video.objects.filter(Q(pk__in=mine.values("pk")) | Q(pk__in=theirs.values("pk")))


def _own(user: Viewer) -> Q:
    """Match the viewer's own rows; matches nothing for an anonymous viewer."""
    return Q(user_id=user.pk)


def shared_videos(token: str) -> VideoQuerySet:
    """Return the video behind an unlisted link, or nothing if the link is revoked or the video may not be shown."""
    if not is_token(token):
        return Video.objects.none()
    return Video.objects.shown().filter(share_token=token, visibility__in=(Visibility.UNLISTED, Visibility.PUBLIC))


def is_token(text: str) -> bool:
    """Return whether the text is well-formed enough to look up in the database."""
    return 0 < len(text) <= TOKEN_LENGTH and text.isascii() and text.isprintable()


def token_in(text: str) -> str:
    """Return the text if it is a well-formed link token. Raises ValueError otherwise."""
    if not is_token(text):
        raise ValueError("no token")
    return text


def shared_recipe_of(user: Viewer, token: str) -> Recipe | None:
    """Return the recipe of the video behind a link, as far as its owner shows it; None if the link shows nothing."""
    return _recipe_for(user, shared_videos(token).first())


def recipe_of(user: Viewer, video_id: UUID) -> Recipe | None:
    """Return the recipe of a video, as far as its owner shows it; None if the viewer may not see it."""
    return _recipe_for(user, visible_videos(user).filter(pk=video_id).first())


def _recipe_for(user: Viewer, video: Video | None) -> Recipe | None:
    if video is None:
        return None
    request = video.request if video.user_id == user.pk else video.disclosed.request
    return request, video.job.plan if video.job is not None else None
