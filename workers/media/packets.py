"""Encoders without a container: frames to packets of H.264 or VP9, whose times are counted in frames."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from typing import Any, Literal

import av
import numpy as np
from av.codec.context import Flags
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc, Interpolation

from workers.media.arrays import checked

KEY_FRAME_SECONDS = 2  # for fast seeking and looping
# Both encoders split the work by thread count, so a count taken from the machine would change the bytes.
_THREADS = 4


@dataclass(frozen=True)
class Codec:
    """How a format is encoded, and its container written."""

    encoder: Literal["libx264", "libvpx-vp9"]
    options: Mapping[str, str]
    container: Mapping[str, str]
    milliseconds: bool  # the container rounds times to 1/1000 s
    even: bool  # 4:2:0 shares a colour sample between 2x2 pixels; H.264 players crop odd sizes or fail


CODECS = {
    # CRF 17: the lower end of what x264's documentation calls visually lossless (17 to 18). With one reference, without
    # trellis, and small blocks in I pictures alone, 16.5 gives the same PSNR and size in two thirds of the time.
    "mp4": Codec(
        encoder="libx264",
        options={
            "crf": "16.5",
            "preset": "medium",
            "profile": "high",
            "refs": "1",
            "trellis": "0",
            "partitions": "i8x8,i4x4",
            "weightp": "1",
        },
        container={"movflags": "+faststart", "fflags": "+bitexact"},
        milliseconds=False,
        even=True,
    ),
    # CRF 24: about the mp4's PSNR at half its size. cpu-used 5: 0.1 dB below 2, in a third of the time.
    "webm": Codec(
        encoder="libvpx-vp9",
        options={"crf": "24", "b": "0", "deadline": "good", "cpu-used": "5", "row-mt": "1"},
        container={"cues_to_front": "1", "fflags": "+bitexact"},
        milliseconds=True,
        even=False,
    ),
}


@dataclass(frozen=True, slots=True)
class Packet:
    """One encoded picture; its times are numbers of frames since the beginning of what was encoded."""

    data: bytes
    pts: int
    dts: int
    is_key: bool


@dataclass(frozen=True, slots=True)
class Encoded:
    """Pictures being encoded: `packets` can be iterated once. `header` is the codec's, empty for VP9."""

    width: int
    height: int
    header: bytes
    packets: Iterator[Packet]


def encoded(frames: Iterable[np.ndarray], format: str, fps: int) -> Encoded:
    """Encode frames as they are needed; the same frames always give the same packets.

    Args:
        frames: uint8 `[H, W, 3]` each, all of one size; consumed one by one.
        format: one of `CODECS`.
        fps: frames per second.

    Raises:
        ValueError: odd size for mp4, no frames, wrong dtype, shape or size; also while the packets are iterated.
    """
    codec, pictures = CODECS[format], checked(frames)
    first = next(pictures)
    height, width = first.shape[:2]
    if codec.even and (width % 2 or height % 2):
        raise ValueError(f"{format} needs an even width and height, not {width}x{height}.")
    context = _context(codec, width, height, fps)
    return Encoded(width, height, _header(context), _packets(context, chain([first], pictures), fps))


def header_of(format: str, width: int, height: int, fps: int) -> bytes:
    """Return the `Encoded.header` of pictures that this process would encode."""
    return _header(_context(CODECS[format], width, height, fps))


def _context(codec: Codec, width: int, height: int, fps: int) -> Any:
    context: Any = av.CodecContext.create(codec.encoder, "w")
    context.framerate = Fraction(fps)
    context.flags |= Flags.global_header
    configure(context, codec, width, height, fps)
    context.open()
    return context


def _header(context: Any) -> bytes:
    return bytes(context.extradata or b"")


def configure(context: Any, codec: Codec, width: int, height: int, fps: int) -> None:
    """Set up the context of an encoder, or of the stream that its packets are written to."""
    context.width, context.height, context.pix_fmt = width, height, "yuv420p"
    context.time_base = Fraction(1, fps)
    context.gop_size = KEY_FRAME_SECONDS * fps
    context.thread_count = _THREADS
    context.color_range, context.colorspace = ColorRange.MPEG, Colorspace.ITU709
    context.color_primaries, context.color_trc = ColorPrimaries.BT709, ColorTrc.BT709
    context.options = dict(codec.options)


def _packets(context: Any, frames: Iterator[np.ndarray], fps: int) -> Iterator[Packet]:
    for index, frame in enumerate(frames):
        picture = _to_yuv(frame)
        picture.pts, picture.time_base = index, Fraction(1, fps)
        yield from map(_packet, context.encode(picture))
    yield from map(_packet, context.encode(None))


def _packet(packet: av.Packet) -> Packet:
    if packet.pts is None or packet.dts is None:
        raise ValueError("the encoder gave a picture without a time")
    return Packet(bytes(packet), packet.pts, packet.dts, packet.is_keyframe)


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
