"""What the files of a video need of its frames, segment by segment. A segment begins with a key frame.

The cut depends on the plan alone, so a video has the same bytes whoever encoded which segment, and when.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from auravideo.core.media.formats import CARD_BOX
from generation.domain.plan import Chunk, Plan
from workers import media


@dataclass(frozen=True, slots=True)
class Span:
    """The chunks of one segment."""

    index: int
    chunks: tuple[Chunk, ...]
    start: int  # its first frame, counted in the clip

    @property
    def frames(self) -> int:
        return sum(chunk.frames for chunk in self.chunks)


@dataclass(frozen=True, slots=True)
class Part:
    """One encoded segment, and what the images need of it."""

    segment: media.Segment
    small: list[np.ndarray]  # uint8 [h, w, 3], for the hover preview
    middle: np.ndarray | None  # uint8 [H, W, 3], the frame for poster and thumbnail, if it is in this segment


class Pictures:
    """The frames from which a video's images are made."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.every = media.hover_every(plan.frames, plan.fps)  # so a longer clip keeps no more
        self.small: list[np.ndarray] = []
        self.middle: np.ndarray | None = None

    def keep(self, index: int, frame: np.ndarray) -> None:
        """Take what is needed of a frame, uint8 [H, W, 3], which is number `index` of the clip.

        Copies are kept: a view of a frame would keep its whole chunk in memory.
        """
        if index == self.plan.frames // 2:
            self.middle = frame.copy()
        if index % self.every == 0:
            scale = min(1.0, CARD_BOX[0] / frame.shape[1])
            height = max(1, round(frame.shape[0] * scale))
            self.small.append(media.resize_and_crop(frame[None], round(frame.shape[1] * scale), height)[0].copy())

    def add(self, part: Part) -> None:
        """Take what was kept of the next segment."""
        self.small += part.small
        if part.middle is not None:
            self.middle = part.middle


def spans(plan: Plan) -> tuple[Span, ...]:
    """Return the segments of a clip: whole chunks, as few as make up the time between two key frames."""
    found: list[Span] = []
    some: list[Chunk] = []
    start = 0
    for chunk in plan.chunks:
        some.append(chunk)
        span = Span(len(found), tuple(some), start)
        if span.frames >= media.KEY_FRAME_SECONDS * plan.fps or chunk is plan.chunks[-1]:
            found.append(span)
            start += span.frames
            some = []
    return tuple(found)


def make(plan: Plan, format: str, span: Span, clips: Iterable[np.ndarray]) -> Part:
    """Encode one segment.

    Args:
        format: one of `media.IN_SEGMENTS`.
        clips: the finished frames of the span's chunks, uint8 [F, H, W, 3] each.
    """
    pictures = Pictures(plan)

    def play() -> Iterator[np.ndarray]:
        index = span.start
        for clip in clips:
            for frame in media.resize_and_crop(clip, plan.width, plan.height):
                pictures.keep(index, frame)
                index += 1
                yield frame

    segment = media.encode_segment(play(), fps=plan.fps, format=format)
    return Part(segment, pictures.small, pictures.middle)
