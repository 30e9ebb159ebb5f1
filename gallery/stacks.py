"""Stacks: clips of one request apart from seed and quality, shown in the library as one tile.

Of each stack, exactly one row is the front: the newest clip that is not in the trash. It is stored, so that the library
reads its pages from an index, however many clips there are. Whatever creates, trashes or restores clips calls `lock`
before, unless it holds the lock already, and `refresh` after.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from uuid import UUID

from django.db.models import IntegerField, OuterRef, Q, Subquery, UUIDField

from accounts.models import User
from gallery.models import Video, VideoQuerySet
from generation.requests.qualities import DRAFT

COUNT_UP_TO = 99  # clips; larger stacks are not counted to the end
_VERSIONS = 20  # of a clip with the same seed, among which its draft or full version is looked for
_AT_ONCE = 500  # rows in one statement


class CountUpTo(Subquery):
    """The number of rows a limited query finds, so that what is large costs no more than what is small."""

    template = "(SELECT COUNT(*) FROM (%(subquery)s) counted)"
    output_field = IntegerField()


def clips_of(video: Video) -> VideoQuerySet:
    """Return the kept clips of a video's stack, the newest first."""
    return Video.objects.kept().filter(user=video.user_id, stack_key=video.stack_key).order_by("-created_at", "-id")


@dataclass(frozen=True)
class Relatives:
    """What a video's page says of its stack: its `size`, up to `COUNT_UP_TO` + 1, and the other quality of the clip.

    `draft` is the draft with the same seed, unless the video is one; `full` is the full version of a draft.
    """

    size: int
    draft: UUID | None = None
    full: UUID | None = None


def relatives_of(video: Video) -> Relatives:
    """Return what else is in a kept video's stack, in one query."""
    same_seed = clips_of(video).filter(Q(pk=video.pk) | Q(seed=video.seed)).annotate(stack_size=_size())
    rows = list(same_seed.values_list("pk", "request__quality", "stack_size")[:_VERSIONS])
    size = rows[0][2] if rows else 0
    drafts = [pk for pk, quality, _size in rows if quality == DRAFT and pk != video.pk]
    full = [pk for pk, quality, _size in rows if quality != DRAFT and pk != video.pk]
    if video.request.get("quality") == DRAFT:
        return Relatives(size, full=full[0] if full else None)
    return Relatives(size, draft=drafts[0] if drafts else None)


def with_size(videos: VideoQuerySet) -> VideoQuerySet:
    """Annotate `stack_size`, the number of kept clips of each one's stack, counted up to `COUNT_UP_TO` + 1."""
    return videos.annotate(stack_size=_size())


def _size() -> CountUpTo:
    return CountUpTo(_same_stack().order_by().values("pk")[: COUNT_UP_TO + 1])


def _same_stack() -> VideoQuerySet:
    """Return the kept clips of the outer query's stack, the newest first."""
    same = Video.objects.kept().filter(user=OuterRef("user"), stack_key=OuterRef("stack_key"))
    return same.order_by("-created_at", "-id")


def lock(user_ids: Iterable[int]) -> None:
    """Let nobody else change the stacks of these users until the transaction ends, or two could add a front at once."""
    users = User.objects.select_for_update(no_key=True).filter(pk__in=sorted(set(user_ids)))
    list(users.order_by("pk").values_list("pk"))


def refresh(video_ids: Sequence[UUID]) -> None:
    """Find the fronts of the stacks of these clips again. A few statements for every 500 clips."""
    for begin in range(0, len(video_ids), _AT_ONCE):
        some = video_ids[begin : begin + _AT_ONCE]
        rows = Video.objects.filter(pk__in=some).order_by("user").values_list("user_id", "stack_key").distinct()
        newest = Subquery(_same_stack().values("pk")[:1], output_field=UUIDField())
        wanted = set(Video.objects.filter(pk__in=some).order_by().values_list(newest, flat=True)) - {None}
        for user_id, found in groupby(rows, key=itemgetter(0)):
            keys = [key for _user_id, key in found]
            fronts = Video.objects.filter(user=user_id, stack_key__in=keys, is_front=True)
            fronts.exclude(pk__in=wanted).update(is_front=False)
        Video.objects.filter(pk__in=wanted, is_front=False).update(is_front=True)
