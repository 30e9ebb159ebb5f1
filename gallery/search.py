"""Find videos by the words of their prompt and title, page by page."""

from collections.abc import Mapping

from django.db.models import Q, QuerySet

from gallery.models import Video
from generation.keyset import Page, page_of

MAX_WORDS = 8


def find(videos: QuerySet[Video], text: str, query: Mapping[str, str], size: int, order: str = "-created_at") -> Page:
    """The page that `query` asks for (generation/keyset.py) of those `videos` that hold every word of `text`."""
    return page_of(_holding(videos, text), query, size, order)


def _holding(videos: QuerySet[Video], text: str) -> QuerySet[Video]:
    for word in text.split()[:MAX_WORDS]:
        videos = videos.filter(Q(prompt__icontains=word) | Q(title__icontains=word))
    return videos
