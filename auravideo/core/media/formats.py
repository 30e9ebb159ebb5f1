"""Video formats with their content types, and the dimensions of thumbnails."""

from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext_lazy as _


@dataclass(frozen=True)
class VideoFormat:
    """An output format; `name` is also the file extension."""

    name: str
    content_type: str
    label: Any  # lazily translated
    bytes_a_pixel: float  # of each frame, on the large side of what our encoders make of detailed clips


VIDEO_FORMATS = (
    VideoFormat("mp4", "video/mp4", _("MP4 (H.264)"), 0.1),
    VideoFormat("webm", "video/webm", _("WebM (VP9)"), 0.05),
    VideoFormat("gif", "image/gif", _("GIF"), 0.6),
)
FORMATS = tuple(each.name for each in VIDEO_FORMATS)
FORMAT_LABELS = {each.name: each.label for each in VIDEO_FORMATS}
BYTES_A_PIXEL = {each.name: each.bytes_a_pixel for each in VIDEO_FORMATS}
CONTENT_TYPES = {each.name: each.content_type for each in VIDEO_FORMATS} | {"webp": "image/webp"}
# `accept` of `<input type="file">`: some systems know the content type, others only the extension.
ACCEPTED_FILES = ",".join([*(each.content_type for each in VIDEO_FORMATS), *(f".{name}" for name in FORMATS)])

CARD_BOX = (320, 480)  # width, height in pixels: the maximum size of a card's image, still or animated
HOVER_FPS = 8  # frame rate of the animated one
