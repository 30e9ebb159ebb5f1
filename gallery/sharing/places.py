"""The two places where others can watch a video: its own URL if it is public, and its unlisted link.

Templates take every URL from here, so that a page behind a link never refers to the video's own URLs, whose files
would answer 404 to a visitor.
"""

from dataclasses import dataclass

from django.urls import reverse

from gallery.models import Video, Visibility

FILES = ("file", "poster", "preview", "thumbnail", "cover", "download")


@dataclass(frozen=True)
class Place:
    """A place to watch a video: the paths of the page and of everything on it."""

    key: object  # the ID or the token in the URLs
    source: str  # the kind of key, for 'create from this'
    page: str
    file: str
    poster: str
    preview: str
    thumbnail: str
    cover: str
    download: str
    like: str
    embed: str

    @classmethod
    def of(cls, video: Video) -> "Place":
        """Return a public video's own place."""
        names = {name: f"gallery:{name}" for name in (*FILES, "like", "embed")}
        return cls._made(video.pk, "video", page="gallery:video", **names)

    @classmethod
    def behind(cls, token: str) -> "Place":
        """Return the place behind the link with this token."""
        names = {name: f"gallery:shared-{name}" for name in (*FILES, "like", "embed")}
        return cls._made(token, "share", page="gallery:shared", **names)

    @classmethod
    def to_share(cls, video: Video) -> "Place | None":
        """Return the place its owner shares; None if the video is private."""
        if video.visibility == Visibility.PUBLIC:
            return cls.of(video)
        is_unlisted = video.visibility == Visibility.UNLISTED
        return cls.behind(video.share_token) if is_unlisted and video.share_token else None

    @classmethod
    def _made(cls, key: object, source: str, **names: str) -> "Place":
        return cls(key, source, **{field: reverse(name, args=[key]) for field, name in names.items()})
