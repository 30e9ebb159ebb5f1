"""Video file properties, measured by decoding the whole file."""

from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import av

from auravideo.core.media.containers import is_faststart
from auravideo.core.media.video_metadata import read_settings

_FORMATS = {"mov,mp4,m4a,3gp,3g2,mj2": "mp4", "matroska,webm": "webm"}


@dataclass(frozen=True)
class Probe:
    """A video file's properties.

    Attributes:
        width, height: in pixels.
        frames: number of decoded frames.
        fps: frames per second. For a gif, frames divided by duration, since each frame has its own delay.
        duration: in seconds, from the start of the first frame to the end of the last.
        codec: `h264`, `vp9`, `gif` or the decoder's name for anything else.
        format: `mp4`, `webm`, `gif` or the demuxer's name for anything else.
        faststart: the index precedes the frames, so playback can start before the download ends.
        metadata: the settings embedded in the file (see `read_settings`), or None.
    """

    width: int
    height: int
    frames: int
    fps: Fraction
    duration: Fraction
    codec: str
    format: str
    faststart: bool
    metadata: dict[str, Any] | None


def probe(path: str | Path) -> Probe:
    """Decode a whole video file and return its properties.

    Raises:
        ValueError: not a video file, or damaged.
        FileNotFoundError: the file does not exist.
    """
    try:
        with av.open(str(path)) as container:
            if not container.streams.video:
                raise ValueError(f"{path} holds no video.")
            stream = container.streams.video[0]
            frames, duration = _decode(container, stream)
            if container.format.name == "matroska,webm":  # its packet durations are truncated to milliseconds
                duration = Fraction(container.duration or 0, 1_000_000)
            if not frames:
                raise ValueError(f"{path} holds no picture.")
            rate = None if stream.codec.name == "gif" else stream.average_rate
            measured = partial(
                Probe,
                width=stream.codec_context.width,
                height=stream.codec_context.height,
                frames=frames,
                fps=rate or Fraction(frames) / duration,
                duration=duration,
                codec=stream.codec.canonical_name,
                format=_FORMATS.get(container.format.name, container.format.name),
            )
    except av.error.FileNotFoundError:
        raise
    except av.error.FFmpegError as error:
        raise ValueError(f"{path} cannot be decoded: {error.strerror}") from error
    with open(path, "rb") as file:
        return measured(faststart=is_faststart(file), metadata=read_settings(file))


def _decode(container: av.container.InputContainer, stream: av.VideoStream) -> tuple[int, Fraction]:
    """Return the number of frames and the time in seconds from the first one's start to the last one's end."""
    count, end = 0, 0
    start: int | None = None
    for packet in container.demux(stream):
        if packet.pts is not None:
            start = packet.pts if start is None else min(start, packet.pts)
            end = max(end, packet.pts + (packet.duration or 0))
        count += len(packet.decode())
    return count, (end - (start or 0)) * (stream.time_base or Fraction(0))
