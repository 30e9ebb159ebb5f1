"""Find videos by the words of their prompt and title."""

from django.db.models import Q, QuerySet

from gallery.models import Video

MAX_WORDS = 8


def search(videos: QuerySet[Video], text: str) -> QuerySet[Video]:
    """Those of `videos` in which every word of `text` occurs; all of them where it holds no word."""
    for word in text.split()[:MAX_WORDS]:
        videos = videos.filter(Q(prompt__icontains=word) | Q(title__icontains=word))
    return videos
