"""The plan of a request: the arithmetic that lets small graphics cards make large clips.

Generate few, small frames, then interpolate and upscale chunk by chunk. Pure: no Django, no database.
"""

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from typing import Any, Protocol, Self

from generation.domain.stages import blocks, needed_by
from generation.domain.states import Stage

UPSCALE_FACTORS = (1, 2, 4, 8)
SIDE_MULTIPLE = 8  # one latent pixel of the models' VAE covers 8 x 8 pixels
CHUNK_SECONDS = 1
PLAN_VERSION = 1  # of stored plans; raise it when the fields change, and keep reading older versions
CHUNK_BYTES = 256 * 2**20  # most finished frames, in bytes, that a worker holds at once


class NativeSize(Protocol):
    """The properties of a model that a plan depends on: side lengths in pixels, rate in frames per second."""

    @property
    def native_size(self) -> int: ...

    @property
    def min_size(self) -> int: ...

    @property
    def native_fps(self) -> int: ...


class Asked(Protocol):
    """The properties of a request that a plan depends on."""

    @property
    def width(self) -> int: ...

    @property
    def height(self) -> int: ...

    @property
    def seconds(self) -> int: ...

    @property
    def fps(self) -> int: ...


class TooLarge(ValueError):
    """A size that the model cannot reach; `largest` is the longest short side that it can, in pixels."""

    def __init__(self, largest: int) -> None:
        self.largest = largest
        super().__init__(f"the short side can be at most {largest} pixels")


@dataclass(frozen=True, slots=True)
class Chunk:
    """Base frames [start, stop). With interpolation, the last one is also the first frame of the next chunk."""

    index: int
    start: int
    stop: int
    frames: int  # finished frames that this chunk adds to the clip


@dataclass(frozen=True, slots=True)
class Plan:
    """A way to render a request. Sizes in pixels, `fps` in frames per second, `factor` and `upscale` whole numbers.

    A plan is made once, when the job is submitted, and stored with the job: see `to_dict`.
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
    stages: tuple[Stage, ...] = ()  # needed, in order

    @property
    def units(self) -> Iterator[tuple[Stage, int]]:
        """Yield every unit of work as (stage, chunk index), in the order in which a single worker would run them."""
        for per_chunk, block in blocks(self.stages):
            for index in range(len(self.chunks) if per_chunk else 1):
                yield from ((stage, index) for stage in block)

    def to_dict(self) -> dict[str, Any]:
        """Return the plan as a JSON-serializable dict for `from_dict`. A chunk is [start, stop, frames]."""
        numbers = {name: getattr(self, name) for name in _NUMBERS}
        chunks = [[chunk.start, chunk.stop, chunk.frames] for chunk in self.chunks]
        return {"version": PLAN_VERSION, **numbers, "chunks": chunks, "stages": [str(stage) for stage in self.stages]}

    @classmethod
    def from_dict(cls, stored: Any) -> Self:
        """Return the plan that `to_dict` stored.

        Raises:
            ValueError: `stored` has another version or is not a plan.
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
    """Return the cheapest plan that renders `request` on `model`.

    Raises:
        TooLarge: the requested short side is more than 8 times the model's native size.
        ValueError: the frame rate is not a multiple of the model's.
    """
    if request.fps % model.native_fps:
        raise ValueError(f"{request.fps} frames a second is not a multiple of the model's {model.native_fps}")
    factor = request.fps // model.native_fps
    upscale, base_width, base_height = _base_size(request.width, request.height, model)
    intervals = request.seconds * model.native_fps
    made = Plan(
        base_width=base_width,
        base_height=base_height,
        # The extra frame at the end is only an interpolation target.
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
    """Return the longest short side, in pixels, that `model` can reach."""
    return model.native_size * UPSCALE_FACTORS[-1]


def _base_size(width: int, height: int, model: NativeSize) -> tuple[int, int, int]:
    """Return (upscale, base width, base height) for the smallest factor whose base short side the model can make."""
    short = min(width, height)
    for upscale in UPSCALE_FACTORS:
        if max(_round_up(short / upscale), model.min_size) <= model.native_size:
            scale = max(1 / upscale, model.min_size / short)
            return upscale, _round_up(width * scale), _round_up(height * scale)
    raise TooLarge(largest_short_side(model))


def _round_up(side: float) -> int:
    """Return `side` rounded up to a multiple of `SIDE_MULTIPLE`, with a tolerance for floating-point error."""
    return -int(-(side - 1e-6) // SIDE_MULTIPLE) * SIDE_MULTIPLE


def _chunks(intervals: int, factor: int, native_fps: int, frame_bytes: int) -> tuple[Chunk, ...]:
    """Cut `intervals` into chunks of about a second, shorter if their finished frames would exceed `CHUNK_BYTES`."""
    length = max(1, min(native_fps * CHUNK_SECONDS, CHUNK_BYTES // (frame_bytes * factor)))
    overlap = 1 if factor > 1 else 0
    starts = range(0, intervals, length)
    return tuple(
        Chunk(index, start, min(start + length, intervals) + overlap, (min(start + length, intervals) - start) * factor)
        for index, start in enumerate(starts)
    )
