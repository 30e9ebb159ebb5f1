"""A writer for mp4 (H.264), webm (VP9) and gif."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any, Literal

import av
import numpy as np
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc, Interpolation

from auravideo.core.files import replacing
from auravideo.core.media.formats import FORMATS
from auravideo.core.media.video_metadata import dump_settings
from workers.media.arrays import checked
from workers.media.gif import write_gif

# Both encoders split the work by thread count, so a count taken from the machine would change the bytes.
_THREADS = 4


@dataclass(frozen=True)
class _Codec:
    encoder: Literal["libx264", "libvpx-vp9"]
    options: Mapping[str, str]
    container: Mapping[str, str]
    milliseconds: bool  # the container rounds times to 1/1000 s
    even: bool  # 4:2:0 shares a colour sample between 2x2 pixels; H.264 players crop odd sizes or fail


_CODECS = {
    # CRF 17: the lower end of what x264's documentation calls visually lossless (17 to 18).
    "mp4": _Codec(
        encoder="libx264",
        options={"crf": "17", "preset": "medium", "profile": "high"},
        container={"movflags": "+faststart", "fflags": "+bitexact"},
        milliseconds=False,
        even=True,
    ),
    # CRF 24: about the mp4's PSNR at half its size. cpu-used 5: 0.1 dB below 2, in a third of the time.
    "webm": _Codec(
        encoder="libvpx-vp9",
        options={"crf": "24", "b": "0", "deadline": "good", "cpu-used": "5", "row-mt": "1"},
        container={"cues_to_front": "1", "fflags": "+bitexact"},
        milliseconds=True,
        even=False,
    ),
}


def encode(
    frames: Iterable[np.ndarray],
    path: str | Path,
    *,
    fps: int,
    format: str,
    metadata: Mapping[str, Any] | None = None,
    created: datetime | None = None,
) -> None:
    """Write a clip to `path` atomically: on any error, `path` is left untouched.

    Deterministic: the same frames give the same bytes. mp4 is H.264 High, 4:2:0, BT.709 in limited range, with the
    index in front; webm is VP9 with the same colours and the index in front; gif has one palette made for the clip and
    loops forever.

    Args:
        frames: uint8 `[H, W, 3]` each, all of one size; consumed one by one, so a generator keeps memory bounded. A gif
            needs two passes: re-iterable input (a list, an array, an object with `__iter__`) is iterated twice; an
            iterator is spooled, uncompressed, to a temporary file next to `path`.
        fps: frames per second, exact in mp4 and webm. A gif counts in 1/100 s: its delays differ by one, so that no
            frame is more than half a hundredth off and the total duration is right. At most 50 for gif.
        format: one of `FORMATS`.
        metadata: what `read_settings` should return: JSON values, at most `MAX_SETTINGS_BYTES` when serialized.
        created: when the clip was made, for the container; with a time zone. A gif has no place for it.

    Raises:
        ValueError: odd size for mp4, no frames, wrong dtype, shape or size, unknown format, an fps that is not a
            positive integer, metadata that is too long or not JSON.
    """
    if format not in FORMATS:
        raise ValueError(f"Unknown format {format!r}; known are {', '.join(FORMATS)}.")
    if not isinstance(fps, int) or fps < 1:
        raise ValueError(f"fps must be a positive whole number, not {fps!r}.")
    comment = dump_settings(metadata, ascii_only=format == "gif") if metadata else None
    with replacing(path) as part:
        if format == "gif":
            write_gif(frames, part, fps=fps, comment=comment)
        else:
            tags = {"comment": comment, "creation_time": created.astimezone(UTC).isoformat() if created else None}
            _write_video(checked(frames), part, _CODECS[format], fps=fps, format=format, tags=tags)


def _write_video(
    frames: Iterator[np.ndarray], path: Path, codec: _Codec, *, fps: int, format: str, tags: Mapping[str, str | None]
) -> None:
    first = next(frames)
    height, width = first.shape[:2]
    if codec.even and (width % 2 or height % 2):
        raise ValueError(f"{format} needs an even width and height, not {width}x{height}.")
    with av.open(str(path), "w", format=format, container_options=dict(codec.container)) as container:
        container.metadata.update({name: text for name, text in tags.items() if text is not None})
        stream = container.add_stream(codec.encoder, rate=fps)
        _configure(stream, codec, width, height, fps)
        for index, frame in enumerate(chain([first], frames)):
            picture = _to_yuv(frame)
            picture.pts, picture.time_base = index, Fraction(1, fps)
            _mux(container, stream.encode(picture), codec, fps)
        _mux(container, stream.encode(None), codec, fps)


def _mux(container: av.container.OutputContainer, packets: Iterable[av.Packet], codec: _Codec, fps: int) -> None:
    for packet in packets:
        if codec.milliseconds:
            # FFmpeg rounds start and duration separately, which at 16 fps makes the clip 1 ms too long.
            if packet.pts is None or packet.time_base is None:
                raise ValueError("the encoder gave a picture without a time")
            index = int(packet.pts * packet.time_base * fps)
            packet.pts = packet.dts = round(1000 * index / fps)
            packet.duration = round(1000 * (index + 1) / fps) - packet.pts
            packet.time_base = Fraction(1, 1000)
        container.mux(packet)


def _configure(stream: Any, codec: _Codec, width: int, height: int, fps: int) -> None:
    stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
    context = stream.codec_context
    context.time_base = Fraction(1, fps)
    context.gop_size = 2 * fps  # a key frame every two seconds, for fast seeking and looping
    context.thread_count = _THREADS
    context.color_range, context.colorspace = ColorRange.MPEG, Colorspace.ITU709
    context.color_primaries, context.color_trc = ColorPrimaries.BT709, ColorTrc.BT709
    context.options = dict(codec.options)


def _to_yuv(frame: np.ndarray) -> av.VideoFrame:
    """Convert full-range RGB to limited-range BT.709 4:2:0, tagged. Untagged, players guess BT.601 for small sizes."""
    return av.VideoFrame.from_ndarray(frame, format="rgb24").reformat(
        format="yuv420p",
        src_colorspace=Colorspace.ITU709,
        dst_colorspace=Colorspace.ITU709,
        src_color_range=ColorRange.JPEG,
        dst_color_range=ColorRange.MPEG,
        dst_color_primaries=ColorPrimaries.BT709,
        dst_color_trc=ColorTrc.BT709,
        interpolation=(
            Interpolation.BICUBIC
            | Interpolation.ACCURATE_RND
            | Interpolation.FULL_CHR_H_INT
            | Interpolation.FULL_CHR_H_INP
        ),
        threads=1,
    )
