"""Queries of the library's pages. Read only."""

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import BigIntegerField, Exists, OuterRef, Q, QuerySet, Subquery, UUIDField
from django.db.models.expressions import RawSQL
from django.db.models.functions import Lower

from accounts.models import User
from auravideo.core.keyset import Page
from auravideo.core.media.video_metadata import settings_for
from gallery.access import collections_of, library_of
from gallery.library.dates import Period
from gallery.models import Collection, CollectionItem, RetentionRule, Video, VideoQuerySet
from gallery.stacks import CountUpTo
from generation.requests.qualities import DRAFT

COUNT_UP_TO = 100
SIMILAR = 6
AMONG = 60


# VALUES names its columns so in both databases. Each row is one look into the index `library`, however large it is.
_HAS_ANY = """(
    SELECT CAST(COALESCE(SUM(column1), 0) AS bigint) FROM (VALUES {rows}) AS period WHERE EXISTS (
        SELECT 1 FROM gallery_video AS made WHERE made.user_id = %s AND made.deleted_at IS NULL
        AND made.created_at >= column2 AND made.created_at < column3
    )
)"""


def for_cards(videos: VideoQuerySet) -> VideoQuerySet:
    """Defer the fields that cards don't show and that may be long."""
    return videos.defer("request", "prompt")


def made_in(user: User, periods: Sequence[Period]) -> RawSQL:
    """Return an integer whose bit n says whether the user's library has a video of the nth period.

    An annotation of the page's own query rather than a query: the database computes it once, not for each row.
    """
    adapt = connection.ops.adapt_datetimefield_value
    rows = [(1 << number, *map(adapt, period.bounds)) for number, period in enumerate(periods)]
    sql = _HAS_ANY.format(rows=", ".join(["(%s, %s, %s)"] * len(rows)))
    return RawSQL(sql, [*chain(*rows), user.pk], output_field=BigIntegerField())  # noqa: S611  placeholders only


def with_videos(page: Page, user: User, periods: Sequence[Period]) -> list[Period]:
    """Return the periods in which the user made a video that is in the library.

    Args:
        page: its rows are annotated with `made_in`; only if there are none, this takes a query.
    """
    if page.rows:
        made = page.rows[0].made_in
    else:
        made = User.objects.filter(pk=user.pk).values_list(made_in(user, periods), flat=True).get()
    return [period for number, period in enumerate(periods) if made >> number & 1]


def news_of(user: User, videos: Sequence[Video], *, are_stacks: bool) -> QuerySet:
    """Return a query of the IDs of the jobs whose outcome a page of the library has shown: of whole stacks, if asked.

    Without drafts if a retention rule goes by whether these were opened: to be listed is not to be opened.
    """
    field = "stack_key" if are_stacks else "pk"
    listed = {f"{field}__in": {getattr(video, field) for video in videos}}
    shown = Video.objects.kept().filter(user=user, job__isnull=False, **listed)
    rule = Exists(RetentionRule.objects.filter(kind=RetentionRule.Kind.DRAFTS, is_active=True))
    is_draft = Q(request__quality=DRAFT, request__quality__isnull=False)
    return shown.exclude(is_draft & rule).values("job")


def shown_collections_of(user: User) -> QuerySet[Collection]:
    """Return the user's collections by name.

    Annotated with `videos_up_to`, counted up to `COUNT_UP_TO` + 1, and `cover_id`, the video added last.
    """
    items = CollectionItem.objects.filter(collection=OuterRef("pk"), video__deleted_at=None)
    cover = items.order_by("-added_at", "-id").values("video_id")[:1]
    counted = items.order_by().values("pk")[: COUNT_UP_TO + 1]
    return (
        collections_of(user)
        .annotate(videos_up_to=CountUpTo(counted), cover_id=Subquery(cover, output_field=UUIDField()))
        .order_by(Lower("name"))
    )


def items_of(user: User, collection_id: UUID) -> QuerySet[CollectionItem]:
    """Return the items of the user's collection whose videos are not in the trash, with video and collection."""
    mine = CollectionItem.objects.filter(collection=collection_id, collection__user=user)
    items = mine.filter(video__deleted_at=None).select_related("video", "collection")
    return items.defer("video__request", "video__prompt")


def similar_to(video: Video) -> list[Video]:
    """Return the user's newest other videos with the same prompt or the same seed.

    Looks at no more than `AMONG` of each, so that a prompt used ten thousand times doesn't mean sorting them all.
    """
    others = for_cards(library_of(video.user).exclude(pk=video.pk)).order_by()
    found = list(others.filter(prompt_key=video.prompt_key)[:AMONG])
    if video.seed is not None:
        found += others.filter(seed=video.seed).exclude(prompt_key=video.prompt_key)[:AMONG]
    return sorted(found, key=lambda other: other.created_at, reverse=True)[:SIMILAR]


def settings_of(video: Video) -> Mapping[str, Any]:
    """Return the settings of a video as embedded in its file: enough to make it again."""
    return settings_for(video.request)
