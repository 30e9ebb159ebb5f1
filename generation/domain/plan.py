"""The plan of a request: the arithmetic that lets small graphics cards make large clips.

Generate few, small frames, then interpolate and upscale chunk by chunk. Where a model's rate does not divide the one
that was asked for, frames are made at the next multiple above, and those that nobody asked for are dropped before they
are upscaled. Where a model was trained at one size for the clip's shape, frames are made at that size, and what it is
wider or higher than the clip is cropped at the end. Pure: no Django, no database.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Protocol, Self

from generation.domain.shapes import Size, native_size_for
from generation.domain.stages import blocks, needed_by
from generation.domain.states import Stage

UPSCALE_FACTORS = (1, 2, 4, 8)
SIDE_MULTIPLE = 8  # one latent pixel of the models' VAE covers 8 x 8 pixels
CHUNK_SECONDS = 1
FIRST_VERSION, PLAN_VERSION = 1, 2  # of stored plans; raise it when the fields change, and keep reading older versions
CHUNK_BYTES = 256 * 2**20  # most finished frames, in bytes, that a worker holds at once


@dataclass(frozen=True, slots=True)
class FrameRule:
    """Which frame counts and sizes a network can generate.

    The count is a multiple of `multiple` plus `offset` (4k + 1, where a VAE packs four frames into one latent), and at
    most `most`, if there is a limit. Sides are multiples of `side_multiple` pixels.
    """

    multiple: int = 1
    offset: int = 0
    most: int | None = None
    side_multiple: int = SIDE_MULTIPLE

    def at_least(self, frames: int) -> int:
        """Return the smallest count, at least `frames`, that can be generated."""
        return max(0, -(-(frames - self.offset) // self.multiple)) * self.multiple + self.offset


ANY_COUNT = FrameRule()


class NativeSize(Protocol):
    """The properties of a model that a plan depends on: side lengths in pixels, rate in frames per second.

    `native_size` is a short side; `native_sizes` are widths and heights by aspect ratio, for the shapes that have one.
    """

    @property
    def native_size(self) -> int: ...

    @property
    def native_sizes(self) -> Mapping[str, Size]: ...

    @property
    def min_size(self) -> int: ...

    @property
    def native_fps(self) -> int: ...

    @property
    def frame_rule(self) -> FrameRule: ...


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


class TooLong(ValueError):
    """A length that the model cannot reach; `longest` is the longest that it can, in seconds."""

    def __init__(self, longest: int) -> None:
        self.longest = longest
        super().__init__(f"a clip can be at most {longest} seconds long")


@dataclass(frozen=True, slots=True)
class Chunk:
    """Base frames [start, stop). With interpolation, the last one is also the first frame of the next chunk.

    Base frames that no chunk has are surplus: the model makes them only because of its rule.
    """

    index: int
    start: int
    stop: int
    frames: int  # finished frames that this chunk adds to the clip


@dataclass(frozen=True, slots=True)
class Plan:
    """A way to render a request. Sizes in pixels, rates in frames per second, `factor` and `upscale` whole numbers.

    `rate` is the rate at which frames are made: the model's times `factor`. If it is above `fps`, `kept` says which of
    them the clip has. A plan is made once, when the job is submitted, and stored with the job: see `to_dict`.
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
    rate: int = 0  # 0 stands for `fps`, as in plans of the first version

    def __post_init__(self) -> None:
        if not self.rate:
            object.__setattr__(self, "rate", self.fps)

    @property
    def native_fps(self) -> int:
        """Return the rate of the base frames."""
        return self.rate // self.factor

    def kept(self, chunk: Chunk) -> tuple[int, ...]:
        """Return which of the frames made for a chunk are in the clip: increasing numbers from 0.

        Frame i of the clip is the last that was made at or before its time.
        """
        first, count = chunk.start * self.factor, self._made(chunk)
        begin, end = (-(-made * self.fps // self.rate) for made in (first, first + count))
        return tuple(index * self.rate // self.fps - first for index in range(begin, end))

    def _made(self, chunk: Chunk) -> int:
        """Return how many frames are made for a chunk before any are dropped."""
        return (chunk.stop - chunk.start - (1 if self.factor > 1 else 0)) * self.factor

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
        version = FIRST_VERSION if self.rate == self.fps else PLAN_VERSION
        if version == FIRST_VERSION:  # workers that are still of that version read it
            del numbers["rate"]
        return {"version": version, **numbers, "chunks": chunks, "stages": [str(stage) for stage in self.stages]}

    @classmethod
    def from_dict(cls, stored: Any) -> Self:
        """Return the plan that `to_dict` stored.

        Raises:
            ValueError: `stored` has another version or is not a plan.
        """
        try:
            if stored["version"] not in (FIRST_VERSION, PLAN_VERSION):
                raise ValueError(f"a plan of version {stored['version']} cannot be read")
            chunks = tuple(Chunk(index, *map(_whole, numbers)) for index, numbers in enumerate(stored["chunks"]))
            stages = tuple(Stage(name) for name in stored["stages"])
            names = [name for name in _NUMBERS if name != "rate" or stored["version"] != FIRST_VERSION]
            return cls(**{name: _whole(stored[name]) for name in names}, chunks=chunks, stages=stages)
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
        TooLong: the clip has more base frames than the model can make.
    """
    rule = model.frame_rule
    factor = -(-request.fps // model.native_fps)
    upscale, base_width, base_height = _base_size(request.width, request.height, model)
    intervals = request.seconds * model.native_fps
    # With interpolation, an extra frame at the end is its target.
    base_frames = rule.at_least(intervals + (1 if factor > 1 else 0))
    if rule.most is not None and base_frames > rule.most:
        raise TooLong(longest(model, factor))
    made = Plan(
        base_width=base_width,
        base_height=base_height,
        base_frames=base_frames,
        factor=factor,
        upscale=upscale,
        width=request.width,
        height=request.height,
        fps=request.fps,
        frames=request.seconds * request.fps,
        chunks=(),
        rate=model.native_fps * factor,
    )
    made = replace(made, chunks=_chunks(made, intervals))
    return replace(made, stages=needed_by(made))


def longest(model: NativeSize, factor: int) -> int:
    """Return the most whole seconds that a model with a limit can make, interpolated by `factor`; 0 is possible."""
    rule = model.frame_rule
    if rule.most is None:
        raise ValueError("this model has no limit")
    return max(0, rule.most - (1 if factor > 1 else 0)) // model.native_fps


def largest_short_side(model: NativeSize) -> int:
    """Return the longest short side, in pixels, that `model` can reach."""
    return model.native_size * UPSCALE_FACTORS[-1]


def _base_size(width: int, height: int, model: NativeSize) -> tuple[int, int, int]:
    """Return (upscale, base width, base height) for the smallest factor whose base short side the model can make.

    The base is the native size for the clip's shape, if there is one, unless the clip is smaller than that.
    """
    short, multiple = min(width, height), model.frame_rule.side_multiple
    native = native_size_for(width, height, model.native_sizes)
    if native is not None and short > min(model.native_size, *native) * UPSCALE_FACTORS[-1]:
        native = None  # it does not reach this far: the usual rule says what does, or refuses
    most = model.native_size if native is None else min(native)
    for upscale in UPSCALE_FACTORS:
        least = max(_round_up(short / upscale, multiple), model.min_size)
        if least > most:
            continue
        if native is not None and (upscale > 1 or least == most):
            return upscale, *native
        scale = max(1 / upscale, model.min_size / short)
        return upscale, _round_up(width * scale, multiple), _round_up(height * scale, multiple)
    raise TooLarge(largest_short_side(model))


def _round_up(side: float, multiple: int) -> int:
    """Return `side` rounded up to a multiple of `multiple`, with a tolerance for floating-point error."""
    return -int(-(side - 1e-6) // multiple) * multiple


def _chunks(made: Plan, intervals: int) -> tuple[Chunk, ...]:
    """Cut `intervals` into chunks of about a second, shorter if their finished frames would exceed `CHUNK_BYTES`.

    Each has a frame at least, so where most are dropped, it has as many intervals as one that is kept takes.
    """
    frame = made.base_width * made.base_height * made.upscale**2 * 3
    native = made.native_fps
    most = CHUNK_BYTES * native // (frame * made.fps)
    length = max(1, -(-native // made.fps), min(native * CHUNK_SECONDS, most))
    overlap = 1 if made.factor > 1 else 0
    found: list[Chunk] = []
    for start in range(0, intervals, length):
        stop = min(start + length, intervals) + overlap
        chunk = Chunk(len(found), start, stop, 0)
        kept = len(made.kept(chunk))
        if kept:
            found.append(replace(chunk, frames=kept))
        else:  # the rest of the clip, of which nothing is kept
            found[-1] = replace(found[-1], stop=stop)
    return tuple(found)
