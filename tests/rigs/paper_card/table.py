"""The table of needs: what was measured on paper, reduced to a few numbers for each memory mode.

`python -m tests.rigs.paper_card` writes it to generation/catalogue/card_memory.toml, where the web process reads it.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch

from generation.catalogue.entries import BUILTIN_MODELS
from tests.rigs.paper_card.cards import CARDS
from tests.rigs.paper_card.measure import Bench, Need
from tests.rigs.paper_card.pipelines import Networks, networks_in, published_networks
from workers.engines.memory import LADDER, Rung

# The most common card among those that need a choice of modes, and what its bus moves in a second (PCIe 3.0 x16).
USUAL_CARD = CARDS["RTX 3060"]
BUS = 12e9
STEPS = 25

Size = tuple[int, int, int]
"""(width, height, frames)"""


@dataclass(frozen=True)
class Family:
    """A family of models: its networks, the frames that its motion modules were trained on, and the measured clips.

    `usual` is the clip that speeds are compared on. Modes that compute as another one does, with their weights
    elsewhere, are measured with `few` clips: the difference in memory is the same at every size.
    """

    name: str
    networks: Callable[[], Networks]
    context: int
    clips: tuple[Size, ...]
    few: tuple[Size, ...]
    usual: Size
    base: Path | None = None  # with tokenizer and scheduler; None for those of the published models


FAMILIES = (
    Family(
        "tiny",
        lambda: networks_in(BUILTIN_MODELS / "text-to-video", BUILTIN_MODELS / "motion-adapter"),
        context=17,
        clips=((64, 64, 9), (112, 64, 9), (64, 64, 17), (112, 64, 17), (64, 64, 24), (112, 64, 24), (112, 64, 33)),
        few=((64, 64, 9), (112, 64, 17), (112, 64, 24)),
        usual=(112, 64, 17),
        base=BUILTIN_MODELS / "text-to-video",
    ),
    Family(
        "sd15",
        published_networks,
        context=16,
        clips=(
            *((256, 256, 9), (512, 512, 9), (512, 512, 16), (912, 512, 16)),
            *((256, 256, 33), (512, 512, 24), (512, 512, 33)),
        ),
        few=((256, 256, 33), (512, 512, 16), (912, 512, 16)),
        usual=(512, 512, 16),
    ),
)


def measured(
    family: Family, base: Path, note: Callable[[Need], None] = lambda _need: None
) -> tuple[int, dict[str, list[Need]]]:
    """Return the most frames that are seen at once, and what the clips of a family need in each mode."""
    needs: dict[str, list[Need]] = {}
    with Bench(base, family.networks(), USUAL_CARD, torch.float16, context_length=family.context) as bench:
        for rung in LADDER:
            for size in family.clips if _computes_like(rung) == rung else family.few:
                need = bench.need(rung.name, *size)
                needs.setdefault(rung.name, []).append(need)
                note(need)
        return bench.window, needs


def plane_above(points: Iterable[tuple[Sequence[float], float]]) -> list[float]:
    """Return the offset and the slope by each of the xs of (xs, y): least squares, raised until no point is above.

    No slope is negative: nothing needs less memory for being larger.
    """
    xs, ys = (np.array(column, float) for column in zip(*points, strict=True))
    slopes = np.zeros(xs.shape[1])
    used = list(range(xs.shape[1]))
    while used:
        found = np.linalg.lstsq(np.column_stack([np.ones(len(ys)), xs[:, used]]), ys, rcond=None)[0][1:]
        if (found >= 0).all():
            slopes[used] = found.round(2)
            break
        del used[int(found.argmin())]
    return [int((ys - xs @ slopes).max()) + 1, *slopes.tolist()]


def toml(tables: dict[str, str]) -> str:
    """Return the file: a heading, then the tables of the families in order."""
    heading = (
        "# What a clip needs on a graphics card, by family and memory mode. Written by `make memory-table`.\n"
        "# `denoise` and `long` (clips beyond the window): bytes, per pixel, per pixel and frame. `decode`: bytes,\n"
        "# per pixel, and for video decoders per pixel and frame. Where attention has masks, a fourth number is bytes\n"
        "# per square of a million pixels of all frames; a fifth is bytes per frame (tiles that hold all frames).\n"
        "# `text`: bytes while prompts are encoded, where that can be most. `speed` compares a whole clip with the\n"
        "# first mode. docs/performance.md says how. `square`: the pixels of a clip, in all frames, for which\n"
        "# attention takes as long as all else.\n"
    )
    return "\n".join([heading, *tables.values()]).rstrip() + "\n"


def key(name: str) -> str:
    """Return a family's name as a key of the file."""
    return name if re.fullmatch(r"[\w-]+", name) else f'"{name}"'


def table_in(text: str, name: str) -> str:
    """Return the tables of a family in a file that `toml` returned; empty if it is not there."""
    lines = text.splitlines(keepends=True)
    own = re.compile(rf"\[{re.escape(key(name))}[.\]]")
    starts = [index for index, line in enumerate(lines) if line.startswith("[")]
    sections = ("".join(lines[start:end]) for start, end in pairwise([*starts, len(lines)]))
    found = "".join(section for section in sections if own.match(section))
    return found.rstrip() + "\n" if found else ""


def _computes_like(rung: Rung) -> Rung:
    """Return the first rung whose network computes the same at a time, wherever its weights are."""
    return next(other for other in LADDER if (other.two_passes, other.split) == (rung.two_passes, rung.split))


def table_of(family: Family, window: int, needs: dict[str, list[Need]]) -> str:
    """Return the tables of one family."""
    lines = [f"[{family.name}]", f"window = {window}", ""]
    fastest = clip_seconds(_usual(needs[LADDER[0].name], family))
    for rung in LADDER:
        found, like = needs[rung.name], needs[_computes_like(rung).name]
        lines += [
            f"[{family.name}.modes.{rung.name}]",
            f"is_exact = {str(rung.is_exact).lower()}",
            f"two_passes = {str(rung.two_passes).lower()}",
            f"denoise = {_denoising(_seen(found, False), _seen(like, False))}",
            f"long = {_denoising(_seen(found, True), _seen(like, True))}",
            f"decode = {plane_above(([need.width * need.height], need.stages['decode']) for need in found)}",
            f"speed = {fastest / clip_seconds(_usual(found, family)):.2f}",
            "",
        ]
    return "\n".join(lines)


def _usual(needs: Sequence[Need], family: Family) -> Need:
    return next(need for need in needs if (need.width, need.height, need.frames) == family.usual)


def clip_seconds(need: Need, steps: int = STEPS) -> float:
    """Return the least time for a clip's steps, and for what crosses the bus."""
    stepping = steps * (need.seconds + need.moved_a_step / BUS)
    return stepping + (need.moved - need.moved_a_step) / BUS


def _seen(needs: Sequence[Need], windowed: bool) -> list[Need]:
    return [need for need in needs if need.windowed == windowed]


def _denoising(needs: Sequence[Need], like: Sequence[Need]) -> list[float]:
    """Return what there is at most in all other stages than decoding, by pixels, and by pixels and frames.

    The slopes are those of `like`, from clips of the same kind in a mode that computes in the same way.
    """
    _offset, *slopes = plane_above((need.volume, _besides_decoding(need)) for need in like)
    above = (_besides_decoding(need) - np.dot(need.volume, slopes) for need in needs)
    return [int(max(above)) + 1, *slopes]


def _besides_decoding(need: Need) -> int:
    return max(size for stage, size in need.stages.items() if stage != "decode")
