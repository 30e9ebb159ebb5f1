"""Encoding of frames to video files and images that browsers can play.

Frames are uint8 `[H, W, 3]` (one) or `[F, H, W, 3]` (a clip), RGB, sRGB, 0..255. Pure: no Django, jobs or queues.
"""

from auravideo.core.media.video_metadata import MAX_SETTINGS_BYTES, read_settings
from workers.media.probing import Probe, probe
from workers.media.resizing import resize_and_crop
from workers.media.stills import (
    HOVER_BYTES,
    LIVE_BYTES,
    THUMBNAIL_BYTES,
    animated_preview,
    hover_preview,
    poster,
    thumbnail,
)
from workers.media.video import FORMATS, encode

__all__ = [
    "FORMATS",
    "HOVER_BYTES",
    "LIVE_BYTES",
    "MAX_SETTINGS_BYTES",
    "THUMBNAIL_BYTES",
    "Probe",
    "animated_preview",
    "encode",
    "hover_preview",
    "poster",
    "probe",
    "read_settings",
    "resize_and_crop",
    "thumbnail",
]
