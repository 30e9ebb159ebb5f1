"""Still images and animated previews: poster, thumbnail, hover preview, and the live preview during denoising."""

import io
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from auravideo.core.files import replacing
from auravideo.core.media.formats import CARD_BOX, HOVER_FPS
from workers.media.animated_webp import animation, encode_pictures
from workers.media.arrays import checked, checked_clip

HOVER_BYTES = 96_000  # with thumbnails, a page of 24 cards stays below 3 MB
_HOVER_FRAMES = 96
_POSTER_FORMATS = {".webp": "WEBP", ".jpg": "JPEG", ".jpeg": "JPEG"}

THUMBNAIL_BYTES = 20_000
_THUMBNAIL_QUALITIES = (75, 60, 45, 30, 15, 5)

LIVE_BYTES = 60_000
_LIVE_SIDES = (96, 192)  # the least and the most of the longer side; browsers enlarge the rest of the way
_LIVE_FRAMES = 16


class _Attempt(NamedTuple):
    quality: int
    scale: float = 1.0
    every: int = 1  # keep every n-th frame


# Reduce quality first, then size, then frame rate. Ordinary clips fit at the first or second attempt; the last ones are
# for pure noise, where the very last keeps 96 frames under 30 kB.
_HOVER_ATTEMPTS = (
    _Attempt(75),
    _Attempt(50),
    _Attempt(25),
    _Attempt(35, 0.75),
    _Attempt(30, 0.5),
    _Attempt(10, 0.5),
    _Attempt(10, 0.5, 2),
    _Attempt(10, 0.25, 2),
    _Attempt(0, 0.2, 4),
)
# Three or four pictures are encoded first; if all would be this much too large at their size, the rest is not.
_TRIED, _CLEARLY = 3, 1.1
# A small picture in high quality is closer to what is shown than a large one in low, in half the time.
_LIVE_ATTEMPTS = (_Attempt(85), _Attempt(50), _Attempt(15), _Attempt(0), _Attempt(0, 0.5), _Attempt(0, 0.5, 4))


def poster(frame: np.ndarray, path: str | Path, *, quality: int = 85) -> None:
    """Write uint8 `[H, W, 3]` as the video's poster, `.webp` or `.jpg` depending on `path`."""
    path = Path(path)
    if path.suffix.lower() not in _POSTER_FORMATS:
        raise ValueError(f"A poster is .webp or .jpg, not {path.suffix!r}.")
    image = Image.fromarray(next(checked([frame])))
    with replacing(path) as part:
        image.save(part, _POSTER_FORMATS[path.suffix.lower()], quality=quality)


def thumbnail(frame: np.ndarray, path: str | Path) -> None:
    """Write uint8 `[H, W, 3]` as a card's still image: webp of at most `THUMBNAIL_BYTES`, 320 pixels wide."""
    image = _fit(Image.fromarray(next(checked([frame]))), CARD_BOX)
    for scale, quality in ((scale, quality) for scale in (1.0, 0.5) for quality in _THUMBNAIL_QUALITIES):
        data = io.BytesIO()
        (image if scale == 1 else _scaled(image, scale)).save(data, "WEBP", quality=quality, method=4)
        if data.tell() <= THUMBNAIL_BYTES:
            break
    with replacing(Path(path)) as part:
        part.write_bytes(data.getvalue())


def hover_every(count: int, fps: int) -> int:
    """Return the distance between the frames that a hover preview shows of a clip of `count` frames."""
    every = max(1, fps // HOVER_FPS)
    while -(-count // every) > _HOVER_FRAMES:
        every *= 2
    return every


def hover_preview(
    frames: Iterable[np.ndarray], path: str | Path, fps: int, *, every: int = 1, count: int | None = None
) -> None:
    """Write the preview that a card plays on hover: animated webp, for an `<img>`.

    At most `HOVER_BYTES`, 320 pixels wide and 8 frames per second; as long as the clip. To fit, reduce quality, then
    size, then the frame rate.

    Args:
        frames: uint8 `[H, W, 3]` each; consumed one by one, keeping only small copies of some.
        fps: frame rate of the clip.
        every, count: if `frames` are only some of the clip's, the distance between them, and how many the clip has.
    """
    images, times = _thin(frames, fps, every, count)
    data = _first_that_fits(images, times, _HOVER_ATTEMPTS, HOVER_BYTES, method=2)
    with replacing(path) as part:
        part.write_bytes(data)


def animated_preview(frames: np.ndarray, fps: int = 8) -> bytes:
    """Return the live preview: a small animated webp of an unfinished clip.

    Args:
        frames: uint8 `[F, h, w, 3]` at latent resolution; brought to 96 to 192 pixels on the longer side.
        fps: frame rate of `frames`; long clips are thinned evenly to 16 frames, at their original pace.

    Returns:
        at most `LIVE_BYTES` of webp; the noisy early steps get a lower quality.
    """
    frames = checked_clip(frames)
    count = min(len(frames), _LIVE_FRAMES)
    chosen = [index * len(frames) // count for index in range(count)]
    height, width = frames.shape[1:3]
    least, most = _LIVE_SIDES
    ratio = min(most, max(least, height, width)) / max(height, width)
    size = (max(1, round(width * ratio)), max(1, round(height * ratio)))
    images = [Image.fromarray(frames[index]).resize(size, Image.Resampling.BICUBIC) for index in chosen]
    times = [round(1000 * index / fps) for index in [*chosen, len(frames)]]
    return _first_that_fits(images, times, _LIVE_ATTEMPTS, LIVE_BYTES, method=0)


def _thin(
    frames: Iterable[np.ndarray], fps: int, every: int, length: int | None
) -> tuple[list[Image.Image], list[int]]:
    """Return small copies of at most 96 frames, and their start times plus the clip's end, in ms."""
    step, count, kept = max(1, fps // every // HOVER_FPS), 0, {}
    for count, frame in enumerate(checked(frames), start=1):
        index = count - 1
        if index % step:
            continue
        kept[index] = _fit(Image.fromarray(frame), CARD_BOX)
        if len(kept) > _HOVER_FRAMES:
            step *= 2
            kept = {index: image for index, image in kept.items() if index % step == 0}
    starts = [*(index * every for index in kept), count * every if length is None else length]
    return list(kept.values()), [round(1000 * start / fps) for start in starts]


def _fit(image: Image.Image, box: tuple[int, int]) -> Image.Image:
    scale = min(1.0, box[0] / image.width, box[1] / image.height)
    return image if scale == 1 else _scaled(image, scale)


def _scaled(image: Image.Image, scale: float) -> Image.Image:
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    return image.resize(size, Image.Resampling.LANCZOS)


def _first_that_fits(
    images: Sequence[Image.Image], times: Sequence[int], attempts: Sequence[_Attempt], limit: int, *, method: int
) -> bytes:
    for attempt in attempts:
        data = _animate(images, times, attempt, limit, method, is_last=attempt is attempts[-1])
        if data is not None and len(data) <= limit:
            return data
    raise ValueError(f"{len(images)} pictures do not fit into {limit} bytes.")


def _animate(
    images: Sequence[Image.Image], times: Sequence[int], attempt: _Attempt, limit: int, method: int, *, is_last: bool
) -> bytes | None:
    """Return an animated webp of `images`, or None if a few of them show that it would be too large.

    `times` are their start times and, last, the clip's end, in ms.
    """
    chosen = images[:: attempt.every]
    if attempt.scale != 1:
        chosen = [_scaled(image, attempt.scale) for image in chosen]
    encode = partial(encode_pictures, quality=attempt.quality, method=method)
    tried = range(0, len(chosen), max(1, len(chosen) // _TRIED))
    some = dict(zip(tried, encode([chosen[index] for index in tried]), strict=True))
    if not is_last and sum(map(len, some.values())) / len(some) * len(chosen) > _CLEARLY * limit:
        return None
    rest = iter(encode([image for index, image in enumerate(chosen) if index not in some]))
    pictures = [some[index] if index in some else next(rest) for index in range(len(chosen))]
    return animation(pictures, chosen[0].size, [*times[: len(images) : attempt.every], times[-1]])
