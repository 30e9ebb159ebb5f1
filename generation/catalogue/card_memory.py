"""What a clip needs on a graphics card, by the table that the paper card calculated (tests/rigs/paper_card).

Pure, and without torch: the pages say it before a clip is submitted, and the engines choose their memory mode by it.
"""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol, TypeVar

from generation.domain.shapes import Size

TABLE = Path(__file__).with_name("card_memory.toml")
GB = 10**9
# What the table does not count: CUDA's own context, and workspaces of libraries and gaps between allocations. Assumed.
CONTEXT = 400 * 10**6
GAPS = 200 * 10**6
DEFAULT_SECONDS = 2  # of the clip that a model's `memory_gb` is about
# When modes that change the clip may be used: never; where no exact mode fits; where no faster mode fits.
INEXACT = ("never", "last", "early")
USUALLY = "last"

MILLION = 10**6
Plane = tuple[float, float, float, float, float]
"""Bytes; bytes per pixel, per pixel and frame, per square of a million pixels in all frames (masks), and per frame."""


class Model(Protocol):
    """The properties of a base model that the table is about."""

    @property
    def family(self) -> str: ...

    @property
    def memory_gb(self) -> float: ...

    @property
    def native_size(self) -> int: ...

    @property
    def native_sizes(self) -> Mapping[str, Size]: ...

    @property
    def native_fps(self) -> int: ...

    @property
    def is_gguf(self) -> bool: ...


class _Exact(Protocol):
    @property
    def is_exact(self) -> bool: ...


M = TypeVar("M", bound=_Exact)


@dataclass(frozen=True, slots=True)
class Mode:
    """One memory mode of a family. `speed` is a fraction of the first mode's; `two_passes`: guidance in two.

    Encoding prompts takes `text` bytes. Clips of more frames than `window` are seen a part at a time, and need `long`.
    """

    name: str
    is_exact: bool
    two_passes: bool
    denoise: Plane
    decode: Plane
    speed: float
    text: int = 0
    window: int | None = None
    long: Plane | None = None

    def bytes(self, width: int, height: int, frames: int, *, guided: bool = True) -> int:
        """Return what a clip of this size (pixels) and length needs.

        Without guidance, half as much is computed at a time, unless that is so anyway.
        """
        pixels = width * height
        is_long = self.window is not None and frames > self.window
        denoise = self.long if self.long and is_long else self.denoise
        share = 1 if guided or self.two_passes else 0.5
        denoising, decoding = _at(denoise, pixels, frames, share), _at(self.decode, pixels, frames)
        return int(max(self.text, denoising, decoding)) + CONTEXT + GAPS


def _at(plane: Plane, pixels: int, frames: int, share: float = 1) -> float:
    """Return the bytes at one size and length, with a share of what grows with the frames."""
    offset, by_pixel, by_volume, by_square, by_frame = plane
    volume = pixels * frames
    growing = by_volume * volume + by_square * (volume / MILLION) ** 2 + by_frame * frames
    return offset + by_pixel * pixels + share * growing


def modes(model: Model, inexact: str = USUALLY) -> tuple[Mode, ...]:
    """Return the memory modes of a model in the order in which they are tried; empty if nothing was calculated for it.

    The table is about weights in half precision, so it says nothing of a GGUF file's. An operator's entry may state
    another `memory_gb`: then that counts, and not the table of its family. One that was copied when ours said what a
    square clip needs is still a calculated one.

    Args:
        inexact: one of `INEXACT`.
    """
    found = () if model.is_gguf else _families().get(model.family, ())
    calculated = (0, usual_gb(model), _gb(model, model.native_size, model.native_size))
    return allowed(found, inexact) if model.memory_gb in calculated else ()


def allowed(modes: Sequence[M], inexact: str) -> tuple[M, ...]:
    """Return those of `modes`, the fastest first, that a site allows.

    Where inexact modes come last, those that are faster than an exact one that needs less would never be reached.
    """
    exact = [index for index, mode in enumerate(modes) if mode.is_exact]
    slowest = max(exact, default=-1)
    kept = {"never": exact, "last": [*exact, *range(slowest + 1, len(modes))], "early": range(len(modes))}[inexact]
    return tuple(modes[index] for index in kept)


def usual_gb(model: Model) -> float | None:
    """Return what the catalogue's `memory_gb` should say: the GB of a default clip at the native size.

    Of several native sizes, the first is the one of the form's usual shape.
    """
    return _gb(model, *next(iter(model.native_sizes.values()), (model.native_size, model.native_size)))


def is_calculated(family: str) -> bool:
    """Return whether the needs of a family's clips are in the table."""
    return family in _families()


def _gb(model: Model, width: int, height: int) -> float | None:
    """Return the GB of a default clip in the first mode; None if nothing was calculated."""
    found = _families().get(model.family, ())
    frames = DEFAULT_SECONDS * model.native_fps + 1
    return round(found[0].bytes(width, height, frames) / GB, 1) if found else None


def needs(
    model: Model, width: int, height: int, frames: int, *, guided: bool = True, inexact: str = USUALLY
) -> dict[str, int]:
    """Return the bytes that a clip needs in each of the `modes` of a model; empty if nothing was calculated."""
    return {mode.name: mode.bytes(width, height, frames, guided=guided) for mode in modes(model, inexact)}


def on_processor(model: Model, width: int, height: int, frames: int, *, guided: bool = True) -> int:
    """Return the bytes of main memory that a clip needs where there is no card; 0 if nothing was calculated.

    The CPU computes in float32, which takes twice the bytes of the table's half precision, and in the first mode: main
    memory that is short ends a process instead of telling it. torch and its libraries take about what a card's context
    does.
    """
    found = modes(model)
    if not found:
        return 0
    besides = CONTEXT + GAPS
    return 2 * (found[0].bytes(width, height, frames, guided=guided) - besides) + besides


def togetherness(family: str, volume: int) -> float:
    """Return by what factor each pixel costs more computation for being seen together with all others of its clip.

    Attention compares every part of a clip with every other: in a clip of `square` pixels, that takes as long as all
    else. 1 where nothing was calculated, and for AnimateDiff, which compares within a frame, or a pixel's frames.

    Args:
        volume: the pixels of all frames that the model makes.
    """
    square = _squares().get(family)
    return 1 + volume / square if square else 1.0


def choose_mode(needs: Mapping[str, int], free: int) -> str | None:
    """Return the first mode that fits into `free` bytes, the most economical if none does; None if none is known."""
    fitting = (mode for mode, need in needs.items() if need <= free)
    return next(fitting, min(needs, key=lambda mode: needs[mode], default=None))


@lru_cache(maxsize=1)
def _families() -> Mapping[str, tuple[Mode, ...]]:
    found = tomllib.loads(TABLE.read_text(encoding="utf-8"))
    return {family: _modes(table) for family, table in found.items()}


@lru_cache(maxsize=1)
def _squares() -> Mapping[str, float]:
    found = tomllib.loads(TABLE.read_text(encoding="utf-8"))
    return {family: table["square"] for family, table in found.items() if "square" in table}


def _modes(table: Mapping[str, Any]) -> tuple[Mode, ...]:
    return tuple(_mode(name, table.get("window"), row) for name, row in table["modes"].items())


def _mode(name: str, window: int | None, row: Mapping[str, Any]) -> Mode:
    """Return a mode. Where the table says nothing of a term, it is 0: image decoders see a few frames at a time."""
    planes = {part: _plane(row[part]) for part in ("denoise", "long", "decode") if part in row}
    return Mode(name=name, window=window, **{**row, **planes})


def _plane(told: Sequence[float]) -> Plane:
    offset, by_pixel, by_volume, by_square, by_frame = (*told, 0.0, 0.0, 0.0)[:5]
    return offset, by_pixel, by_volume, by_square, by_frame
