"""The two addresses of a video that others may watch: its own, once it is public, and the link with the token.

Templates take every address from here, so that a page behind a link never names the other one, whose files would answer
404 to a visitor.
"""

from dataclasses import dataclass

from django.urls import reverse

from gallery.models import Video, Visibility

FILES = ("file", "poster", "preview", "thumbnail", "download")


@dataclass(frozen=True)
class Place:
    """Where a video is watched: paths of the page and of all that belongs to it."""

    key: object  # what the addresses are made of: the id, or the token
    source: str  # the name of that key for 'create from this'
    page: str
    file: str
    poster: str
    preview: str
    thumbnail: str
    download: str
    like: str
    embed: str

    @classmethod
    def of(cls, video: Video) -> "Place":
        """A public video at its own address."""
        names = {name: f"gallery:{name}" for name in (*FILES, "like", "embed")}
        return cls._made(video.pk, "video", page="gallery:video", **names)

    @classmethod
    def behind(cls, token: str) -> "Place":
        """Behind the link with this token."""
        names = {name: f"gallery:shared-{name}" for name in (*FILES, "like", "embed")}
        return cls._made(token, "share", page="gallery:shared", **names)

    @classmethod
    def to_share(cls, video: Video) -> "Place | None":
        """The one that its owner gives to others; None while it is private."""
        if video.visibility == Visibility.PUBLIC:
            return cls.of(video)
        is_unlisted = video.visibility == Visibility.UNLISTED
        return cls.behind(video.share_token) if is_unlisted and video.share_token else None

    @classmethod
    def _made(cls, key: object, source: str, **names: str) -> "Place":
        return cls(key, source, **{field: reverse(name, args=[key]) for field, name in names.items()})
