"""Encoding of frames to video files and images that browsers can play.

Frames are uint8 `[H, W, 3]` (one) or `[F, H, W, 3]` (a clip), RGB, sRGB, 0..255. Pure: no Django, jobs or queues.
"""

from auravideo.core.media.video_metadata import MAX_SETTINGS_BYTES, read_settings
from workers.media.packets import CODECS, KEY_FRAME_SECONDS, Packet, header_of
from workers.media.probing import Probe, probe
from workers.media.resizing import resize_and_crop
from workers.media.stills import (
    HOVER_BYTES,
    LIVE_BYTES,
    THUMBNAIL_BYTES,
    animated_preview,
    hover_every,
    hover_preview,
    poster,
    thumbnail,
)
from workers.media.video import FORMATS, Segment, encode, encode_segment, join

IN_SEGMENTS = tuple(CODECS)  # the formats whose clips can be encoded piece by piece

__all__ = [
    "FORMATS",
    "HOVER_BYTES",
    "IN_SEGMENTS",
    "KEY_FRAME_SECONDS",
    "LIVE_BYTES",
    "MAX_SETTINGS_BYTES",
    "THUMBNAIL_BYTES",
    "Packet",
    "Probe",
    "Segment",
    "animated_preview",
    "encode",
    "encode_segment",
    "header_of",
    "hover_every",
    "hover_preview",
    "join",
    "poster",
    "probe",
    "read_settings",
    "resize_and_crop",
    "thumbnail",
]
