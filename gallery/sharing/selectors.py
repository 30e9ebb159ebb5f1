"""Queries of public videos, a page at a time, with the viewer's likes."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.db.models import Exists, OuterRef, QuerySet, Subquery, Value
from django.utils.http import urlencode

from accounts.http import Viewer
from accounts.models import User
from auravideo.core.keyset import Page, page_of
from gallery.models import Like, Tag, Video, VideoTag
from gallery.search.query import SORTED_MOST, find
from gallery.sharing import tags
from gallery.sharing.places import Place

if TYPE_CHECKING:
    from gallery.annotated import SeenVideo


PAGE_SIZE = 24
MAX_TEXT = 200
NEWEST, LIKED, PICKS = "newest", "liked", "picks"
ORDERS = {NEWEST: "-published_at", LIKED: "-likes", PICKS: "-picked_at"}


@dataclass(frozen=True)
class Wanted:
    """A query of public videos: by tag, by words, or all of them, in some order."""

    sort: str = NEWEST
    tag: str = ""
    text: str = ""

    @classmethod
    def of(cls, query: Mapping[str, str]) -> "Wanted":
        """Parse the parameters of a URL; invalid ones are ignored."""
        sort = query.get("sort", "")
        text = " ".join(query.get("q", "").replace("\0", "")[:MAX_TEXT].split())
        if sort not in ORDERS or (text and sort == PICKS):  # searches cover all public videos
            sort = NEWEST
        return cls(sort, "" if text else tags.one(query.get("tag", "")), text)

    @property
    def sorts(self) -> list[tuple[str, str]]:
        """Return the sort orders, each with its query string."""
        return [(NEWEST, self.kept(sort="")), (LIKED, self.kept(sort=LIKED)), (PICKS, self.kept(sort=PICKS, q=""))]

    def kept(self, **changes: str) -> str:
        """Return the query string of the same list with `changes` applied."""
        found = {"sort": "" if self.sort == NEWEST else self.sort, "tag": self.tag, "q": self.text, **changes}
        return urlencode({name: value for name, value in found.items() if value})


@dataclass(frozen=True)
class Card:
    """A public video in a list, as one viewer sees it."""

    video: Video
    place: Place
    is_liked: bool


def explore(viewer: Viewer, wanted: Wanted, query: Mapping[str, str]) -> Page:
    """Return one page of the public videos as `viewer` sees them, in one query."""
    if wanted.tag and wanted.sort == NEWEST:
        return _tagged(viewer, wanted.tag, query)
    videos = _with_likes_of(viewer, Video.objects.listed().select_related("user"))
    if wanted.sort == PICKS:
        videos = videos.filter(picked_at__isnull=False)
    if wanted.tag:
        videos = videos.filter(
            pk__in=_of_tag(wanted.tag).order_by("-published_at", "-pk").values("video")[:SORTED_MOST]
        )
    return find(videos, wanted.text, query, PAGE_SIZE, ORDERS[wanted.sort])


def _tagged(viewer: Viewer, tag: str, query: Mapping[str, str]) -> Page:
    """Return the newest videos of a tag, read from the tag's own index, however rare the tag."""
    shown = _of_tag(tag).filter(Exists(Video.objects.listed().filter(pk=OuterRef("video_id"))))
    rows = _with_likes_of(viewer, shown.select_related("video__user"), video="video_id")
    page = page_of(rows, query, PAGE_SIZE, "-published_at")
    for row in page.rows:
        row.video.is_liked = row.is_liked
    return Page([row.video for row in page.rows], page.newer, page.older)


def _of_tag(tag: str) -> QuerySet[VideoTag]:
    found = Subquery(Tag.objects.filter(name=tag).values("pk"))
    return VideoTag.objects.filter(tag=found, published_at__isnull=False)


def public_videos_of(viewer: Viewer, username: str, query: Mapping[str, str]) -> Page:
    """Return one page of a user's public videos, newest first, as `viewer` sees them, in one query."""
    person = Subquery(_people(username).values("pk"))
    videos = Video.objects.listed().filter(user=person).select_related("user")
    return page_of(_with_likes_of(viewer, videos), query, PAGE_SIZE, "-published_at")


def _people(username: str) -> QuerySet[User]:
    return User.objects.named(username)


def _with_likes_of(viewer: Viewer, rows: QuerySet, video: str = "pk") -> QuerySet:
    """Annotate `rows` with `is_liked`: whether the viewer likes the video in their field `video`."""
    if not viewer.is_authenticated:
        return rows.annotate(is_liked=Value(False))
    return rows.annotate(is_liked=Exists(Like.objects.filter(user_id=viewer.pk, video=OuterRef(video))))


def cards(videos: Collection["SeenVideo"]) -> list[Card]:
    """Return the videos of a page as cards."""
    return [Card(video, Place.of(video), video.is_liked) for video in videos]


def tags_of(video: Video) -> list[str]:
    return list(video.video_tags.order_by("tag__name").values_list("tag__name", flat=True))
