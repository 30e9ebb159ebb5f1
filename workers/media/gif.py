"""A gif writer: one palette per clip, exact total duration, settings in a comment."""

import math
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO

import av
import numpy as np

from workers.media.arrays import checked
from workers.media.palette import ColourCount, Palette

_HUNDREDTH = Fraction(1, 100)  # a gif's time unit, in seconds
_MAX_FPS = 50  # browsers play delays below 2/100 s as 10/100 s
_LOOP_EXTENSION = b"\x21\xff\x0bNETSCAPE2.0"
_LOOP_EXTENSION_BYTES = 19


def write_gif(frames: Iterable[np.ndarray], path: Path, *, fps: int, comment: str | None) -> None:
    """Write uint8 `[H, W, 3]` frames as an endlessly looping gif; see `workers.media.encode`.

    Args:
        comment: ASCII text for a comment extension before the first image.
    """
    if fps > _MAX_FPS:
        raise ValueError(f"A gif has at most {_MAX_FPS} frames a second, not {fps}.")
    with _repeatable(frames, path.parent) as frames, tempfile.TemporaryFile(dir=path.parent) as raw:
        palette, count = _make_palette(checked(frames))
        _write_pictures(checked(frames), raw, palette, [round(100 * index / fps) for index in range(count + 1)])
        raw.seek(0)
        with path.open("wb") as target:
            _copy_with_comment(raw, target, comment)


@contextmanager
def _repeatable(frames: Iterable[np.ndarray], folder: Path) -> Iterator[Iterable[np.ndarray]]:
    """Yield `frames`, or a copy on disk if they are an iterator, which can only be consumed once."""
    if iter(frames) is not frames:
        yield frames
        return
    with tempfile.TemporaryFile(dir=folder) as file:
        yield _Spool(frames, file)


class _Spool:
    """Frames in an uncompressed file, iterable any number of times; checked on the way in."""

    def __init__(self, frames: Iterable[np.ndarray], file: BinaryIO) -> None:
        self.file = file
        self.count = 0
        for frame in checked(frames):
            file.write(frame.data)
            self.count, self.shape = self.count + 1, frame.shape

    def __iter__(self) -> Iterator[np.ndarray]:
        self.file.seek(0)
        for _ in range(self.count):
            yield np.frombuffer(self.file.read(math.prod(self.shape)), dtype=np.uint8).reshape(self.shape)


def _make_palette(frames: Iterator[np.ndarray]) -> tuple[Palette, int]:
    """Return the clip's palette and its frame count."""
    colours, count = ColourCount(), 0
    for frame in frames:
        colours.add(frame)
        count += 1
    return colours.palette(), count


def _write_pictures(frames: Iterator[np.ndarray], target: BinaryIO, palette: Palette, times: list[int]) -> None:
    """Encode the frames; `times` are their start times and, last, the clip's end, in 1/100 s."""
    first = next(frames)
    table = np.zeros((256, 4), np.uint8)  # alpha, red, green, blue
    table[: len(palette.colours)] = np.insert(palette.colours, 0, 255, axis=1)
    options = {"loop": "0", "final_delay": str(times[-1] - times[-2]), "fflags": "+bitexact"}
    with av.open(target, "w", format="gif", container_options=options) as container:
        stream = container.add_stream("gif", rate=100)
        stream.height, stream.width, stream.pix_fmt = *first.shape[:2], "pal8"
        stream.codec_context.time_base = _HUNDREDTH
        for frame, time in zip(chain([first], frames), times[:-1], strict=True):
            indexed: Any = (palette.map(frame), table)  # PyAV accepts this for pal8, though its type hints don't
            picture = av.VideoFrame.from_ndarray(indexed, format="pal8")
            picture.pts, picture.time_base = time, _HUNDREDTH
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))


def _copy_with_comment(source: BinaryIO, target: BinaryIO, comment: str | None) -> None:
    """Copy a gif, inserting `comment` before its first image, after the loop extension, which must come first."""
    header = source.read(13)
    head = header + source.read(3 << ((header[10] & 7) + 1) if header[10] & 0x80 else 0)
    extension = source.read(_LOOP_EXTENSION_BYTES)
    loops = extension.startswith(_LOOP_EXTENSION)
    target.write(head + (extension if loops else b""))
    if comment is not None:
        text = comment.encode("ascii")
        blocks = (text[start : start + 255] for start in range(0, len(text), 255))
        target.write(b"\x21\xfe" + b"".join(bytes([len(block)]) + block for block in blocks) + b"\x00")
    target.write(b"" if loops else extension)
    shutil.copyfileobj(source, target, 1 << 20)
