"""Changes to who may watch a video, and to its tags and likes."""

import secrets
from collections.abc import Collection, Mapping

from django.db import transaction
from django.db.models import Case, F, OuterRef, Q, Subquery, Value, When
from django.db.models.functions import Coalesce
from django.utils import timezone

from accounts.models import User
from gallery.models import Like, Tag, Video, VideoTag, Visibility
from gallery.models.search import SearchDoc
from gallery.sharing import safety


@transaction.atomic
def set_visibility(video: Video, to: Visibility) -> bool:
    """Make a video private, unlisted or public. Returns whether this call changed it.

    A compare-and-set: nothing changes if another request was faster or the video is in the trash. The date of first
    publication is kept forever, so that hiding a video briefly doesn't move it to the top. Making it private revokes
    its link; if it becomes unlisted again, it gets a new one.
    """
    changes: dict[str, object] = {"visibility": to}
    if to == Visibility.PUBLIC:
        changes["published_at"] = Coalesce("published_at", timezone.now())
    if to == Visibility.UNLISTED:
        changes["share_token"] = Coalesce("share_token", Value(new_token()))
    if to == Visibility.PRIVATE:
        changes["share_token"] = None
    unchanged = Video.objects.kept().filter(pk=video.pk, visibility=video.visibility).exclude(visibility=to)
    if not unchanged.update(**changes):
        return False
    _keep_tags_in_step(video)
    video.refresh_from_db(fields=["visibility", "published_at", "share_token", "safety", "screening"])
    SearchDoc.objects.index([video])
    if to != Visibility.PRIVATE:
        safety.ask_on_commit(video)
    return True


@transaction.atomic
def disclose(video: Video, columns: Mapping[str, bool]) -> bool:
    """Set what others may read about a video (gallery/models/disclosed.py). Returns whether this call changed it.

    A hidden prompt is also taken out of the public search.
    """
    unlike = Q()
    for column, value in columns.items():
        unlike |= Q(**{column: not value})
    if not Video.objects.kept().filter(unlike, pk=video.pk).update(**columns):
        return False
    video.refresh_from_db(fields=list(columns))
    SearchDoc.objects.index([video])
    return True


@transaction.atomic
def revoke_link(video: Video) -> bool:
    """Revoke the unlisted link. Returns whether there was one. An unlisted video becomes private."""
    linked = Video.objects.kept().filter(pk=video.pk, share_token=video.share_token, share_token__isnull=False)
    private = When(visibility=Visibility.UNLISTED, then=Value(Visibility.PRIVATE))
    revoked = linked.update(share_token=None, visibility=Case(private, default=F("visibility")))
    video.refresh_from_db(fields=["visibility", "share_token"])
    return revoked == 1


def new_token() -> str:
    """Return a random token of 256 bits, too many to guess."""
    return secrets.token_urlsafe(32)


@transaction.atomic
def set_tags(video: Video, names: Collection[str]) -> None:
    """Replace the tags of a video with `names`, as parsed by gallery/sharing/tags.py."""
    # Lock the row, so that a visibility change runs either before or after all of this.
    if not Video.objects.kept().filter(pk=video.pk).update(visibility=F("visibility")):
        return
    Tag.objects.bulk_create([Tag(name=name) for name in names], ignore_conflicts=True)
    tags = Tag.objects.filter(name__in=names)
    video.video_tags.exclude(tag__in=tags).delete()
    VideoTag.objects.bulk_create([VideoTag(video=video, tag=tag) for tag in tags], ignore_conflicts=True)
    _keep_tags_in_step(video)


def _keep_tags_in_step(video: Video) -> None:
    """Copy the date of a public video to its tags; clear it if the video is not public."""
    dates = Video.objects.filter(pk=OuterRef("video_id"), visibility=Visibility.PUBLIC).values("published_at")
    VideoTag.objects.filter(video_id=video.pk).update(published_at=Subquery(dates))


@transaction.atomic
def like(user: User, video: Video) -> bool:
    """Like a video. Returns whether the like is new; liking twice counts once."""
    _like, is_new = Like.objects.get_or_create(user=user, video=video)
    return is_new and bool(Video.objects.filter(pk=video.pk).update(likes=F("likes") + 1))


@transaction.atomic
def unlike(user: User, video: Video) -> bool:
    """Withdraw a like. Returns whether there was one."""
    gone, _by_model = Like.objects.filter(user=user, video=video).delete()
    return gone == 1 and bool(Video.objects.filter(pk=video.pk, likes__gt=0).update(likes=F("likes") - 1))
