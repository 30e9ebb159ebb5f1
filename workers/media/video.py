"""A writer for mp4 (H.264), webm (VP9) and gif."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any

import av
import numpy as np

from auravideo.core.files import replacing
from auravideo.core.media.formats import FORMATS
from auravideo.core.media.video_metadata import dump_settings
from workers.media.gif import write_gif
from workers.media.packets import CODECS, Codec, Encoded, Packet, configure, encoded


@dataclass(frozen=True, slots=True)
class Segment:
    """Encoded frames that play without those before them: some whole seconds of a clip, or its end."""

    width: int
    height: int
    frames: int
    header: bytes  # the codec's; a file has one for all its segments
    packets: tuple[Packet, ...]


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
    comment = _checked_comment(fps, format, metadata)
    with replacing(path) as part:
        if format == "gif":
            write_gif(frames, part, fps=fps, comment=comment)
        else:
            video = encoded(frames, format, fps)
            _write(video, part, fps=fps, format=format, comment=comment, created=created)


def encode_segment(frames: Iterable[np.ndarray], *, fps: int, format: str) -> Segment:
    """Encode some frames of a clip, to be joined with others. Deterministic, as `encode`.

    Args and raises: as in `encode`, for mp4 and webm.
    """
    video = encoded(frames, format, fps)
    packets = tuple(video.packets)
    return Segment(video.width, video.height, len(packets), video.header, packets)


def join(
    segments: Iterable[Segment],
    path: str | Path,
    *,
    fps: int,
    format: str,
    metadata: Mapping[str, Any] | None = None,
    created: datetime | None = None,
) -> None:
    """Write segments, in order, to `path` atomically; nothing is encoded again.

    Args:
        segments: at least one; consumed one by one.
        fps, format, metadata, created: as in `encode`, for mp4 and webm.

    Raises:
        ValueError: as in `encode`; or a segment has another size or header than the first, made by another encoder.
    """
    comment = _checked_comment(fps, format, metadata)
    rest = iter(segments)
    first = next(rest, None)
    if first is None:
        raise ValueError("A clip needs at least one segment.")
    video = Encoded(first.width, first.height, first.header, _joined(chain([first], rest), first))
    with replacing(path) as part:
        _write(video, part, fps=fps, format=format, comment=comment, created=created)


def _joined(segments: Iterable[Segment], first: Segment) -> Iterator[Packet]:
    """Yield the packets of all segments, timed as one clip.

    Pictures are decoded before they are shown, by as many frames as the encoder lets them refer ahead; a segment too
    short for such a picture would come without that distance, and its times would collide with those before it.
    """
    delay = -first.packets[0].dts
    start = 0
    for segment in segments:
        if (segment.width, segment.height, segment.header) != (first.width, first.height, first.header):
            raise ValueError("All segments must have one size and one encoder.")
        for index, packet in enumerate(segment.packets, start):
            yield replace(packet, pts=start + packet.pts, dts=index - delay)
        start += segment.frames


def _checked_comment(fps: int, format: str, metadata: Mapping[str, Any] | None) -> str | None:
    if format not in FORMATS:
        raise ValueError(f"Unknown format {format!r}; known are {', '.join(FORMATS)}.")
    if not isinstance(fps, int) or fps < 1:
        raise ValueError(f"fps must be a positive whole number, not {fps!r}.")
    return dump_settings(metadata, ascii_only=format == "gif") if metadata else None


def _write(video: Encoded, path: Path, *, fps: int, format: str, comment: str | None, created: datetime | None) -> None:
    codec = CODECS[format]
    tags = {"comment": comment, "creation_time": created.astimezone(UTC).isoformat() if created else None}
    with av.open(str(path), "w", format=format, container_options=dict(codec.container)) as container:
        container.metadata.update({name: text for name, text in tags.items() if text is not None})
        stream = container.add_stream(codec.encoder, rate=fps)
        configure(stream.codec_context, codec, video.width, video.height, fps)
        for packet in video.packets:
            container.mux(_timed(packet, stream, codec, fps))
        if bytes(stream.codec_context.extradata or b"") != video.header:
            raise ValueError("The pictures were encoded by another encoder than this file's.")


def _timed(packet: Packet, stream: av.VideoStream, codec: Codec, fps: int) -> av.Packet:
    timed = av.Packet(packet.data)
    timed.stream, timed.is_keyframe = stream, packet.is_key
    if codec.milliseconds:
        # FFmpeg rounds start and duration separately, which at 16 fps makes the clip 1 ms too long.
        timed.pts = timed.dts = round(1000 * packet.pts / fps)
        timed.duration = round(1000 * (packet.pts + 1) / fps) - timed.pts
        timed.time_base = Fraction(1, 1000)
    else:
        timed.pts, timed.dts, timed.duration, timed.time_base = packet.pts, packet.dts, 1, Fraction(1, fps)
    return timed
