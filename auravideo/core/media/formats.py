"""The files that a video consists of: the one list of formats and their types, and the sizes of small pictures."""

from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext_lazy as _


@dataclass(frozen=True)
class VideoFormat:
    """One format that people can choose; `name` is also the ending of the file."""

    name: str
    content_type: str
    label: Any  # translated when it is shown


VIDEO_FORMATS = (
    VideoFormat("mp4", "video/mp4", _("MP4 (H.264)")),
    VideoFormat("webm", "video/webm", _("WebM (VP9)")),
    VideoFormat("gif", "image/gif", _("GIF")),
)
FORMATS = tuple(each.name for each in VIDEO_FORMATS)
FORMAT_LABELS = {each.name: each.label for each in VIDEO_FORMATS}
CONTENT_TYPES = {each.name: each.content_type for each in VIDEO_FORMATS} | {"webp": "image/webp"}
# What `<input type="file">` offers: some systems know the type, others only the ending.
ACCEPTED_FILES = ",".join([*(each.content_type for each in VIDEO_FORMATS), *(f".{name}" for name in FORMATS)])

CARD_BOX = (320, 480)  # width, height in pixels: the largest picture of a card, still or moving
HOVER_FPS = 8  # frames a second of the moving one
