"""The table of needs: what was measured on paper, reduced to a few numbers for each memory mode.

`python -m tests.rigs.paper_card` writes it to generation/catalogue/card_memory.toml, where the web process reads it.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from generation.catalogue.entries import BUILTIN_MODELS
from tests.rigs.paper_card.cards import CARDS
from tests.rigs.paper_card.measure import Bench, Need
from tests.rigs.paper_card.pipelines import Networks, networks_in, published_networks
from workers.engines.memory import LADDER

# The most common card among those that need a choice of modes, and what its bus moves in a second (PCIe 3.0 x16).
USUAL_CARD = CARDS["RTX 3060"]
BUS = 12e9
STEPS = 25

Size = tuple[int, int, int]
"""(width, height, frames)"""


@dataclass(frozen=True)
class Family:
    """A family of models: its networks, the frames that its motion modules see at once, and what is measured.

    `short` clips fit that window, `long` ones do not. `usual` is the clip that speeds are compared on.
    """

    name: str
    networks: Callable[[], Networks]
    window: int
    short: tuple[Size, ...]
    long: tuple[Size, ...]
    usual: Size
    base: Path | None = None  # with tokenizer and scheduler; None for those of the published models


FAMILIES = (
    Family(
        "tiny",
        lambda: networks_in(BUILTIN_MODELS / "text-to-video", BUILTIN_MODELS / "motion-adapter"),
        window=17,
        short=((64, 64, 8), (112, 64, 17)),
        long=((64, 64, 24), (112, 64, 33)),
        usual=(112, 64, 17),
        base=BUILTIN_MODELS / "text-to-video",
    ),
    Family(
        "sd15",
        published_networks,
        window=16,
        short=((256, 256, 8), (512, 512, 16), (912, 512, 16)),
        long=((512, 512, 17), (512, 512, 33)),
        usual=(512, 512, 16),
    ),
)


def measured(family: Family, base: Path, note: Callable[[Need], None] = lambda _need: None) -> dict[str, list[Need]]:
    """Return what the clips of a family need in each mode."""
    needs: dict[str, list[Need]] = {}
    with Bench(base, family.networks(), USUAL_CARD, torch.float16, context_length=family.window) as bench:
        for rung in LADDER:
            for size in (*family.short, *family.long):
                need = bench.need(rung.name, *size)
                needs.setdefault(rung.name, []).append(need)
                note(need)
    return needs


def line_above(points: Iterable[tuple[float, float]]) -> tuple[int, float]:
    """Return (offset, slope) of the line through (x, y) by least squares, raised until no point is above it."""
    xs, ys = zip(*points, strict=True)
    mean_x, mean_y = sum(xs) / len(xs), sum(ys) / len(ys)
    spread = sum((x - mean_x) ** 2 for x in xs)
    slope = sum((x - mean_x) * (y - mean_y) for x, y in zip(xs, ys, strict=True)) / spread
    slope = max(0.0, round(slope, 2))
    return int(max(y - slope * x for x, y in zip(xs, ys, strict=True))) + 1, slope


def toml(tables: dict[str, str]) -> str:
    """Return the file: a heading, then the tables of the families in order."""
    heading = (
        "# What a clip needs on a graphics card, by family and memory mode. Written by `make memory-table`.\n"
        "# `denoise` and `long` (clips beyond the window): bytes, and bytes per pixel and frame. `decode`: bytes, and\n"
        "# bytes per pixel. `speed` compares a whole clip with the first mode. docs/performance.md says how.\n"
    )
    return "\n".join([heading, *tables.values()]).rstrip() + "\n"


def table_of(family: Family, needs: dict[str, list[Need]]) -> str:
    """Return the tables of one family."""
    lines = [f"[{family.name}]", f"window = {family.window}", ""]
    fastest = _clip_seconds(_usual(needs[LADDER[0].name], family))
    for mode, found in needs.items():
        short = [need for need in found if need.frames <= family.window]
        long = [need for need in found if need.frames > family.window]
        lines += [
            f"[{family.name}.modes.{mode}]",
            f"denoise = {_pair(line_above((_volume(need), _besides_decoding(need)) for need in short))}",
            f"long = {_pair(line_above((_volume(need), _besides_decoding(need)) for need in long))}",
            f"decode = {_pair(line_above((need.width * need.height, need.stages['decode']) for need in found))}",
            f"speed = {fastest / _clip_seconds(_usual(found, family)):.2f}",
            "",
        ]
    return "\n".join(lines)


def _usual(needs: Sequence[Need], family: Family) -> Need:
    return next(need for need in needs if (need.width, need.height, need.frames) == family.usual)


def _clip_seconds(need: Need) -> float:
    return STEPS * need.seconds + need.moved / BUS


def _volume(need: Need) -> int:
    return need.width * need.height * need.frames


def _besides_decoding(need: Need) -> int:
    return max(size for stage, size in need.stages.items() if stage != "decode")


def _pair(line: tuple[int, float]) -> str:
    return f"[{line[0]}, {line[1]}]"
