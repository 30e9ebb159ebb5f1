"""What has to be computed for a request: the arithmetic that lets small cards make large clips.

Generate small, generate slow, then interpolate and upscale chunk by chunk. Pure: no Django, no database.
"""

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from typing import Any, Protocol, Self

from generation.domain.stages import blocks, needed_by
from generation.domain.states import Stage

UPSCALE_FACTORS = (1, 2, 4, 8)
SIDE_MULTIPLE = 8  # a latent of the models' VAE stands for 8 x 8 pixels
CHUNK_SECONDS = 1
PLAN_VERSION = 1  # of a stored plan; raise it when its fields change, and read the older ones, too
CHUNK_BYTES = 256 * 2**20  # of finished frames that one worker holds at a time


class NativeSize(Protocol):
    """What the plan needs to know of a model: its sides in pixels and its rate in frames a second."""

    @property
    def native_size(self) -> int: ...

    @property
    def min_size(self) -> int: ...

    @property
    def native_fps(self) -> int: ...


class Asked(Protocol):
    """What the plan needs to know of a request."""

    @property
    def width(self) -> int: ...

    @property
    def height(self) -> int: ...

    @property
    def seconds(self) -> int: ...

    @property
    def fps(self) -> int: ...


class TooLarge(ValueError):
    """The size cannot be reached from the model's native one; `largest` is the longest short side that can."""

    def __init__(self, largest: int) -> None:
        self.largest = largest
        super().__init__(f"the short side can be at most {largest} pixels")


@dataclass(frozen=True, slots=True)
class Chunk:
    """Base frames [start, stop), of which the last belongs to the next chunk too when frames are interpolated."""

    index: int
    start: int
    stop: int
    frames: int  # that this chunk contributes to the clip


@dataclass(frozen=True, slots=True)
class Plan:
    """How a request is met. Sizes in pixels, `fps` in frames a second, `factor` and `upscale` whole numbers.

    It is made once, when a job is submitted, and stored with it: see `to_dict`.
    """

    base_width: int
    base_height: int
    base_frames: int
    factor: int
    upscale: int
    width: int
    height: int
    fps: int
    frames: int
    chunks: tuple[Chunk, ...]
    stages: tuple[Stage, ...] = ()  # that it needs, in order

    @property
    def units(self) -> Iterator[tuple[Stage, int]]:
        """Every piece of work as (stage, chunk index), in the order in which one worker would do them."""
        for per_chunk, block in blocks(self.stages):
            for index in range(len(self.chunks) if per_chunk else 1):
                yield from ((stage, index) for stage in block)

    def to_dict(self) -> dict[str, Any]:
        """Return the plan as JSON can hold it, for `from_dict`. A chunk is [start, stop, frames]."""
        numbers = {name: getattr(self, name) for name in _NUMBERS}
        chunks = [[chunk.start, chunk.stop, chunk.frames] for chunk in self.chunks]
        return {"version": PLAN_VERSION, **numbers, "chunks": chunks, "stages": [str(stage) for stage in self.stages]}

    @classmethod
    def from_dict(cls, stored: Any) -> Self:
        """Return the plan that `to_dict` stored.

        Raises:
            ValueError: it is of another version, or not a plan at all.
        """
        try:
            if stored["version"] != PLAN_VERSION:
                raise ValueError(f"a plan of version {stored['version']} cannot be read")
            chunks = tuple(Chunk(index, *map(_whole, numbers)) for index, numbers in enumerate(stored["chunks"]))
            stages = tuple(Stage(name) for name in stored["stages"])
            return cls(**{name: _whole(stored[name]) for name in _NUMBERS}, chunks=chunks, stages=stages)
        except (KeyError, TypeError) as error:
            raise ValueError(f"what is stored is not a plan: {error!r}") from error


_NUMBERS = tuple(field.name for field in fields(Plan) if field.name not in ("chunks", "stages"))


def _whole(number: Any) -> int:
    if type(number) is not int or number < 0:
        raise ValueError(f"{number!r} is not a whole number")
    return number


def plan(request: Asked, model: NativeSize) -> Plan:
    """The least work that gives `request` on `model`.

    Raises:
        TooLarge: the short side asked for is more than 8 times the model's native size.
        ValueError: the rate is not a whole multiple of the model's.
    """
    if request.fps % model.native_fps:
        raise ValueError(f"{request.fps} frames a second is not a multiple of the model's {model.native_fps}")
    factor = request.fps // model.native_fps
    upscale, base_width, base_height = _base_size(request.width, request.height, model)
    intervals = request.seconds * model.native_fps
    made = Plan(
        base_width=base_width,
        base_height=base_height,
        # The frame after the last interval is needed only to interpolate towards it.
        base_frames=intervals + (1 if factor > 1 else 0),
        factor=factor,
        upscale=upscale,
        width=request.width,
        height=request.height,
        fps=request.fps,
        frames=intervals * factor,
        chunks=_chunks(intervals, factor, model.native_fps, base_width * base_height * upscale**2 * 3),
    )
    return replace(made, stages=needed_by(made))


def largest_short_side(model: NativeSize) -> int:
    """The longest short side, in pixels, that can be reached from `model`."""
    return model.native_size * UPSCALE_FACTORS[-1]


def _base_size(width: int, height: int, model: NativeSize) -> tuple[int, int, int]:
    """(upscale, base width, base height): the smallest factor whose base is within the model's native size."""
    short = min(width, height)
    for upscale in UPSCALE_FACTORS:
        if max(_round_up(short / upscale), model.min_size) <= model.native_size:
            scale = max(1 / upscale, model.min_size / short)
            return upscale, _round_up(width * scale), _round_up(height * scale)
    raise TooLarge(largest_short_side(model))


def _round_up(side: float) -> int:
    """`side` rounded up to a multiple of `SIDE_MULTIPLE`; what is above one by rounding errors alone is that one."""
    return -int(-(side - 1e-6) // SIDE_MULTIPLE) * SIDE_MULTIPLE


def _chunks(intervals: int, factor: int, native_fps: int, frame_bytes: int) -> tuple[Chunk, ...]:
    """Cut `intervals` into chunks of about a second, shorter where the finished frames would fill the memory."""
    length = max(1, min(native_fps * CHUNK_SECONDS, CHUNK_BYTES // (frame_bytes * factor)))
    overlap = 1 if factor > 1 else 0
    starts = range(0, intervals, length)
    return tuple(
        Chunk(index, start, min(start + length, intervals) + overlap, (min(start + length, intervals) - start) * factor)
        for index, start in enumerate(starts)
    )
