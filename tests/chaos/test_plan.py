"""The plan of a campaign depends on its seed alone, and keeps its promises."""

from collections import Counter

import pytest

from generation.domain.states import MAX_ATTEMPTS
from tests.chaos import faults, plan
from tests.chaos.plan import draw

SIZES = {"rounds": 50, "clips": 3, "faults": 6, "shapes": 5, "seconds": (2, 8)}


def drawn(seed=1):
    return draw(seed, faults.KINDS, **SIZES)


def test_one_seed_gives_one_plan():
    assert drawn(5) == drawn(5)
    assert drawn(5) != drawn(6)


def test_it_has_300_faults_of_at_least_25_kinds_over_150_clips():
    rounds = drawn()
    assert sum(len(one.faults) for one in rounds) == 300
    assert sum(len(one.clips) for one in rounds) == 150
    assert len(plan.count(rounds)) >= 25
    assert min(plan.count(rounds).values()) >= 3, plan.count(rounds)


@pytest.mark.parametrize("seed", range(5))
def test_no_clip_can_run_out_of_attempts(seed):
    for one in drawn(seed):
        spent = Counter(fault.stage for fault in one.faults if fault.kind.costs)
        assert max(spent.values(), default=0) < MAX_ATTEMPTS


def test_every_third_round_has_outages_only():
    assert [one.is_of_outages for one in drawn()][2::3] == [True] * 16


def test_names_of_kinds_are_unique():
    assert len({kind.name for kind in faults.KINDS}) == len(faults.KINDS)
