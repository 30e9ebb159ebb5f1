"""The campaign (`make chaos`): hundreds of faults while clips are rendered, and what must hold afterwards.

CHAOS_SEED draws another plan, CHAOS_ROUNDS a shorter or longer one. CHAOS_ONLY plays only the kinds of faults whose
names match it.
"""

import os
import re
from pathlib import Path

import pytest

from tests.chaos import table
from tests.chaos.campaign import SHAPES, Campaign
from tests.chaos.faults import KINDS
from tests.chaos.plan import draw
from tests.chaos.services import ManyMachines
from tests.chaos.world import OneMachine, World

pytestmark = [pytest.mark.e2e, pytest.mark.renders]

SEED = int(os.environ.get("CHAOS_SEED", "1"))
ROUNDS = int(os.environ.get("CHAOS_ROUNDS", "50"))
ONLY = os.environ.get("CHAOS_ONLY", "")
needs_root = pytest.mark.skipif(os.getuid() != 0, reason="only root can mount the small disks")


def play(world: World, shapes=SHAPES, **sizes) -> None:
    """Draw a plan of what this world can suffer, play it, and expect nothing to go wrong."""
    kinds = [kind for kind in KINDS if (not kind.needs or kind.needs in world.has) and re.search(ONLY, kind.name)]
    name = f"{type(world).__name__}, seed {SEED}"
    print(name)
    for kind in [kind for kind in KINDS if kind.needs in world.lacks]:
        print(f"left out: {kind.name}, because {world.lacks[kind.needs]}")
    tally = Campaign(world, shapes).run(draw(SEED, kinds, shapes=len(shapes), seconds=(2.0, 8.0), **sizes))
    text = table.of(tally, name)
    print(text)
    if folder := os.environ.get("CHAOS_TABLES"):
        Path(folder).mkdir(parents=True, exist_ok=True)
        Path(folder, f"{name}.md").write_text(f"{text}\n")
    assert tally.wrong == []


@needs_root
@pytest.mark.slow
@pytest.mark.parametrize("kind", [OneMachine, ManyMachines])
def test_nothing_is_lost_doubled_or_left_behind(kind, tmp_path):
    with kind(tmp_path) as world:
        play(world, rounds=ROUNDS, clips=3, faults=6)


@needs_root
def test_nothing_is_lost_in_a_short_campaign(tmp_path):
    with OneMachine(tmp_path) as world:
        play(world, SHAPES[:1], rounds=1, clips=1, faults=3)
