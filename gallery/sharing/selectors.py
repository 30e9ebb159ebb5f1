"""What everybody may find, a page at a time, and what its viewer likes of it."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from uuid import UUID

from django.db.models import Exists, OuterRef, QuerySet, Subquery
from django.db.models.functions import Lower
from django.utils.http import urlencode

from accounts.models import User
from gallery.models import Like, Tag, Video, VideoTag
from gallery.search import SORTED_MOST, find
from gallery.sharing import tags
from gallery.sharing.places import Place
from generation.keyset import Page, page_of

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


def explore(wanted: Wanted, query: Mapping[str, str]) -> Page:
    """One page of the public videos, in one query."""
    if wanted.tag and wanted.sort == NEWEST:
        return _tagged(wanted.tag, query)
    videos = Video.objects.listed().select_related("user")
    if wanted.sort == PICKS:
        videos = videos.filter(picked_at__isnull=False)
    if wanted.tag:
        videos = videos.filter(
            pk__in=_of_tag(wanted.tag).order_by("-published_at", "-pk").values("video")[:SORTED_MOST]
        )
    return find(videos, wanted.text, query, PAGE_SIZE, ORDERS[wanted.sort])


def _tagged(tag: str, query: Mapping[str, str]) -> Page:
    """The newest of a tag, read off the tag's own index, however few they are among how many."""
    shown = _of_tag(tag).filter(Exists(Video.objects.listed().filter(pk=OuterRef("video_id"))))
    page = page_of(shown.select_related("video__user"), query, PAGE_SIZE, "-published_at")
    return Page([row.video for row in page.rows], page.newer, page.older)


def _of_tag(tag: str) -> QuerySet[VideoTag]:
    found = Subquery(Tag.objects.filter(name=tag).values("pk"))
    return VideoTag.objects.filter(tag=found, published_at__isnull=False)


def public_videos_of(username: str, query: Mapping[str, str]) -> Page:
    """One page of what a person has made public, newest first, in one query."""
    person = Subquery(_people(username).values("pk"))
    videos = Video.objects.listed().filter(user=person).select_related("user")
    return page_of(videos, query, PAGE_SIZE, "-published_at")


def person_of(username: str) -> User | None:
    """Who has this name and may be shown, whatever its case."""
    return _people(username).filter(is_active=True).first()


def _people(username: str) -> QuerySet[User]:
    return User.objects.annotate(name_lower=Lower("username")).filter(name_lower=username.lower())


def cards(user, videos: Collection[Video]) -> list[Card]:
    """Public videos as this viewer sees them; one query, none for who is not signed in."""
    liked = liked_among(user, videos)
    return [Card(video, Place.of(video), video.pk in liked) for video in videos]


def liked_among(user, videos: Collection[Video]) -> set[UUID]:
    """The keys of those among these videos that a person likes."""
    if not (user.is_authenticated and videos):
        return set()
    likes = Like.objects.filter(user_id=user.pk, video__in=[video.pk for video in videos])
    return set(likes.values_list("video_id", flat=True))


def tags_of(video: Video) -> list[str]:
    return list(video.video_tags.order_by("tag__name").values_list("tag__name", flat=True))
