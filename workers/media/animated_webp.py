"""Animated WebP from pictures that are encoded one by one.

libwebp's own animation encoder looks for what did not change between pictures, and makes it transparent. In generated
clips, everything changes a little: whole pictures are as small and more faithful, in two thirds of the time, and can be
encoded side by side.

FFmpeg could write the container, but says of each that it has transparency, and makes a still of a single picture.

Container: https://developers.google.com/speed/webp/docs/riff_container
"""

import io
import struct
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

from PIL import Image

_AT_ONCE = 4  # Pillow encodes without holding the interpreter
_ANIMATED = 0x02
_FOREVER = 0
_DO_NOT_BLEND = 0x02  # a picture replaces the one before


def encode_pictures(images: Sequence[Image.Image], *, quality: int, method: int) -> list[bytes]:
    """Return each picture as lossy WebP without its container. `quality` and `method` as in Pillow; no transparency."""

    def encode(image: Image.Image) -> bytes:
        target = io.BytesIO()
        image.save(target, "WEBP", quality=quality, method=method)
        return target.getvalue()[12:]  # behind "RIFF", size, "WEBP"

    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="webp") as pool:
        return list(pool.map(encode, images))


def animation(pictures: Sequence[bytes], size: tuple[int, int], times: Sequence[int]) -> bytes:
    """Return an animation that loops forever.

    Args:
        pictures: from `encode_pictures`, all of `size` (width, height).
        times: when each of them begins and, last, when the animation ends, in ms.
    """
    width, height = size
    extent = _three(width - 1) + _three(height - 1)
    chunks = [_chunk(b"VP8X", bytes([_ANIMATED, 0, 0, 0]) + extent), _chunk(b"ANIM", struct.pack("<IH", 0, _FOREVER))]
    for picture, (start, end) in zip(pictures, pairwise(times), strict=True):
        if picture[:4] != b"VP8 ":
            raise ValueError(f"a picture of an animation must be plain lossy WebP, not {picture[:4]!r}")
        header = _three(0) + _three(0) + extent + _three(end - start) + bytes([_DO_NOT_BLEND])
        chunks.append(_chunk(b"ANMF", header + picture))
    return _chunk(b"RIFF", b"WEBP" + b"".join(chunks))


def _chunk(name: bytes, data: bytes) -> bytes:
    return name + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)


def _three(number: int) -> bytes:
    return number.to_bytes(3, "little")
