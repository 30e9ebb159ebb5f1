"""What everybody may find, a page at a time, and what its viewer likes of it."""

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
    """What somebody wants to see of the public videos: of a tag, or with some words, or all of them, in an order."""

    sort: str = NEWEST
    tag: str = ""
    text: str = ""

    @classmethod
    def of(cls, query: Mapping[str, str]) -> "Wanted":
        """From the parameters of an address; what makes no sense there counts as not said."""
        sort = query.get("sort", "")
        text = " ".join(query.get("q", "").replace("\0", "")[:MAX_TEXT].split())
        if sort not in ORDERS or (text and sort == PICKS):  # a search is of everything
            sort = NEWEST
        return cls(sort, "" if text else tags.one(query.get("tag", "")), text)

    @property
    def sorts(self) -> list[tuple[str, str]]:
        """The orders, each with the parameters of its address."""
        return [(NEWEST, self.kept(sort="")), (LIKED, self.kept(sort=LIKED)), (PICKS, self.kept(sort=PICKS, q=""))]

    def kept(self, **changes: str) -> str:
        """The parameters of an address that wants the same but for `changes`."""
        found = {"sort": "" if self.sort == NEWEST else self.sort, "tag": self.tag, "q": self.text, **changes}
        return urlencode({name: value for name, value in found.items() if value})


@dataclass(frozen=True)
class Card:
    """A public video in a list, as one viewer sees it."""

    video: Video
    place: Place
    is_liked: bool


def explore(viewer: Viewer, wanted: Wanted, query: Mapping[str, str]) -> Page:
    """One page of the public videos as `viewer` sees them, in one query."""
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
    """The newest of a tag, read off the tag's own index, however few they are among how many."""
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
    """One page of what a person has made public, newest first, as `viewer` sees it, in one query."""
    person = Subquery(_people(username).values("pk"))
    videos = Video.objects.listed().filter(user=person).select_related("user")
    return page_of(_with_likes_of(viewer, videos), query, PAGE_SIZE, "-published_at")


def _people(username: str) -> QuerySet[User]:
    return User.objects.named(username)


def _with_likes_of(viewer: Viewer, rows: QuerySet, video: str = "pk") -> QuerySet:
    """`rows` with `is_liked`: whether the viewer likes the video that their field `video` names."""
    if not viewer.is_authenticated:
        return rows.annotate(is_liked=Value(False))
    return rows.annotate(is_liked=Exists(Like.objects.filter(user_id=viewer.pk, video=OuterRef(video))))


def cards(videos: Collection["SeenVideo"]) -> list[Card]:
    """The videos of a page of the above."""
    return [Card(video, Place.of(video), video.is_liked) for video in videos]


def tags_of(video: Video) -> list[str]:
    return list(video.video_tags.order_by("tag__name").values_list("tag__name", flat=True))
