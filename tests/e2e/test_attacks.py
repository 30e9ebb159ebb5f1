"""The first attacks of some classes of tests/rigs/attack, on a real site; `make attack` carries out all of them."""

import pytest

from tests.rigs.attack import csrf, files, names, objects, origins
from tests.rigs.attack.attempts import carry_out
from tests.rigs.attack.controls import answers, controls, stored
from tests.rigs.attack.target import Target
from tests.seeded import SeededSite

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

WORKING = {"an honest batch": 302, "a video": 200, "a static file": 200, "a way back": 302}


@pytest.fixture(scope="module")
def target(tmp_path_factory):
    site = SeededSite(tmp_path_factory.mktemp("attacks") / "home").start()
    yield Target(site)
    assert site.stop() == 0


def test_what_attackers_imitate_works_for_those_who_may(target):
    """Or something else than the walls would repel the attacks."""
    assert [one.description for one in controls(target) if not one.judge(one.act())] == []
    assert set(stored(target).values()) == {True}
    assert answers(target) == WORKING


@pytest.mark.parametrize("module", [csrf, origins, names, files, objects], ids=lambda one: one.__name__.split(".")[-1])
def test_the_first_attacks_of_a_class_are_repelled(target, module):
    assert carry_out(module.attempts(target), most=40).successes == []
