"""The tables of the families that make clips by themselves (see tests/rigs/paper_card/table.py)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from generation.catalogue.card_memory import MILLION
from tests import full_size_families as full_size
from tests.full_size_families import FullSize
from tests.rigs.paper_card.families.bench import FamilyBench
from tests.rigs.paper_card.measure import Need
from tests.rigs.paper_card.table import USUAL_CARD, Size, clip_seconds, key, plane_above
from workers.engines.families.arranging import LADDER
from workers.engines.memory import Rung


@dataclass(frozen=True)
class Measured:
    """A family and the clips that its table is fitted to.

    What is computed is the same in every mode but the last, so that is measured with all `clips` in the first mode and
    with `few` in the others, whose memory differs by the same amount at every size. The last mode decodes in tiles.
    `usual` is the clip that speeds are compared on. `two_passes`: its pipeline computes guidance in two passes.
    `masks`: its attention is given masks, which grow with the square of a clip; a tile of its decoder has all frames.
    """

    family: FullSize
    two_passes: bool
    clips: tuple[Size, ...]
    few: tuple[Size, ...]
    tiled: tuple[Size, ...]
    usual: Size
    masks: bool = False

    def clips_of(self, rung: Rung) -> tuple[Size, ...]:
        """Return the clips to measure in a mode."""
        if rung == LADDER[0]:
            return self.clips
        return self.tiled if rung.tile_vae else self.few


def _cogvideox(family: FullSize) -> Measured:
    return Measured(
        family,
        two_passes=False,
        clips=((256, 256, 17), (480, 480, 17), (480, 480, 33), (720, 480, 49)),
        few=((256, 256, 17), (720, 480, 49)),
        tiled=((256, 256, 17), (352, 352, 17), (480, 480, 17), (480, 720, 33), (720, 480, 49)),
        usual=(720, 480, 49),
    )


FAMILIES = (
    Measured(
        full_size.WAN_1_3B,
        two_passes=True,
        clips=((256, 256, 17), (480, 480, 17), (480, 480, 33), (832, 480, 33), (832, 480, 49), (832, 480, 81)),
        few=((256, 256, 17), (832, 480, 81)),
        tiled=((256, 256, 17), (480, 480, 33), (832, 480, 17), (832, 480, 81)),
        usual=(832, 480, 81),
    ),
    Measured(
        full_size.WAN_5B,
        two_passes=True,
        clips=((256, 256, 17), (704, 704, 17), (704, 704, 49), (1280, 704, 121)),
        few=((256, 256, 17), (1280, 704, 121)),
        tiled=((256, 256, 17), (704, 704, 17), (704, 704, 33), (1280, 704, 17)),
        usual=(1280, 704, 121),
    ),
    _cogvideox(full_size.COGVIDEOX_2B),
    _cogvideox(full_size.COGVIDEOX_5B),
    Measured(
        full_size.LTX_2B,
        two_passes=False,
        clips=((256, 256, 49), (512, 512, 25), (512, 512, 49), (768, 512, 97)),
        few=((256, 256, 49), (768, 512, 97)),
        tiled=((512, 512, 49), (768, 512, 25), (768, 512, 97), (1216, 704, 49)),
        usual=(768, 512, 97),
    ),
    Measured(
        full_size.HUNYUAN,
        two_passes=True,
        clips=((480, 480, 17), (480, 480, 49), (832, 480, 49), (832, 480, 121)),
        few=((480, 480, 17),),
        tiled=((480, 480, 17), (480, 480, 49), (832, 480, 121)),
        usual=(832, 480, 121),
        masks=True,
    ),
)


def measured(one: Measured, folder: Path, note: Callable[[Need], None] = lambda _need: None) -> dict[str, list[Need]]:
    """Return what the clips of a family need in each mode. `folder`: as `engines.write_small_files` left it."""
    needs: dict[str, list[Need]] = {}
    with FamilyBench(folder, one.family, USUAL_CARD) as bench:
        for rung in LADDER:
            for size in one.clips_of(rung):
                need = bench.need(rung.name, *size)
                needs.setdefault(rung.name, []).append(need)
                note(need)
    return needs


def table_of(one: Measured, needs: dict[str, list[Need]]) -> str:
    """Return the tables of one family."""
    name, first = key(one.family.name), needs[LADDER[0].name]
    lines = [f"[{name}]", f"square = {square(first)}", ""]
    fastest = _seconds(one, first, first)
    for rung in LADDER:
        found = needs[rung.name]
        like = found if rung.tile_vae else first
        lines += [
            f"[{name}.modes.{rung.name}]",
            f"is_exact = {str(rung.is_exact).lower()}",
            f"two_passes = {str(one.two_passes).lower()}",
            f"text = {max(need.stages['text'] for need in found) + 1}",
            f"denoise = {_plane(found, first, 'denoise', masks=one.masks)}",
            f"decode = {_plane(found, like, 'decode', masks=one.masks, tiles=rung.tile_vae)}",
            f"speed = {fastest / _seconds(one, needs[_denoises_like(rung).name], first):.2f}",
            "",
        ]
    return "\n".join(lines)


def square(needs: Sequence[Need]) -> int:
    """Return the pixels, of all frames, of a clip in which attention takes as many operations as all else.

    By the closest sum of a linear and a square term, every clip weighing the same.
    """
    volumes = np.array([need.volume[1] for need in needs], float)
    operations = np.array([need.operations for need in needs], float)
    terms = np.column_stack([volumes, volumes**2]) / operations[:, None]
    linear, squared = np.linalg.lstsq(terms, np.ones(len(needs)), rcond=None)[0]
    return int(linear / squared)


def _denoises_like(rung: Rung) -> Rung:
    """Return the first mode that differs from this one at most in how it decodes."""
    return next(other for other in LADDER if replace(other, name="", tile_vae=rung.tile_vae) == replace(rung, name=""))


def _seconds(one: Measured, needs: Sequence[Need], first: Sequence[Need]) -> float:
    """Return the least time of the usual clip in a mode.

    If that was measured in the first mode only, what this mode adds to a step is what it adds to a smaller clip's.
    """
    there, usually = _by_size(needs), _by_size(first)
    if one.usual in there:
        return clip_seconds(there[one.usual], one.family.steps)
    size, need = next(iter(there.items()))
    added = need.seconds - usually[size].seconds
    return clip_seconds(replace(need, seconds=usually[one.usual].seconds + added), one.family.steps)


def _by_size(needs: Sequence[Need]) -> dict[Size, Need]:
    return {(need.width, need.height, need.frames): need for need in needs}


def _plane(needs: Sequence[Need], like: Sequence[Need], stage: str, *, masks: bool, tiles: bool = False) -> list[float]:
    """Return what a stage takes at most, as `card_memory.Plane` without zeros at its end; with the slopes of `like`."""

    def terms(need: Need) -> list[float]:
        square, frames = (need.volume[1] / MILLION) ** 2, need.frames
        return [*need.volume, 0.0 if tiles else square, frames if tiles else 0.0] if masks else need.volume

    _offset, *slopes = plane_above((terms(need), need.stages[stage]) for need in like)
    offset = int(max(need.stages[stage] - np.dot(terms(need), slopes) for need in needs)) + 1
    while len(slopes) > 2 and slopes[-1] == 0:
        slopes.pop()
    return [offset, *slopes]
