"""All attacks on one running site: `make attack`. Thousands of requests, so they take half an hour on a quiet machine.

The figures go into docs/security.md. ATTACK_FIGURES names the file that the table is written to.
"""

import os
from pathlib import Path

import pytest

from tests.rigs.attack import bodies, bombs, csrf, enumeration, files, limits, models, names, objects, origins, slow
from tests.rigs.attack.attempts import Tally, carry_out
from tests.rigs.attack.controls import answers, controls, stored
from tests.rigs.attack.target import Target
from tests.seeded import SeededSite

ON_THE_SITE = (objects, csrf, origins, limits, enumeration, bodies, slow, bombs, names, files)
TITLES = {
    "objects": "Other people's objects",
    "csrf": "Forged forms",
    "origins": "Foreign origins and hosts",
    "limits": "Limits under disguise",
    "enumeration": "Enumeration and guessing",
    "bodies": "Bodies and framing",
    "slow": "Slow clients",
    "bombs": "Bombs",
    "names": "Names",
    "files": "Files, paths and redirects",
    "models": "Models and catalogues",
}


@pytest.fixture(scope="module")
def target(tmp_path_factory):
    site = SeededSite(tmp_path_factory.mktemp("attack") / "home").start()
    yield Target(site)
    assert site.stop() == 0


@pytest.fixture(scope="module")
def tallies():
    """The figures of this run; written once all classes have run, whether or not they were repelled."""
    found: dict[str, Tally] = {}
    yield found
    if path := os.environ.get("ATTACK_FIGURES"):
        Path(path).write_text(as_table(found), encoding="utf-8")
    print("\n" + as_table(found))


def as_table(tallies: dict[str, Tally]) -> str:
    """Return attempts and successes per class in Markdown."""
    rows = [f"| {TITLES[name]} | {tally.attempts:,} | {len(tally.successes)} |" for name, tally in tallies.items()]
    attempts = sum(tally.attempts for tally in tallies.values())
    successes = sum(len(tally.successes) for tally in tallies.values())
    head = ["| Class | attempts | successful |", "|---|--:|--:|"]
    return "\n".join([*head, *rows, f"| all | {attempts:,} | {successes} |", ""])


@pytest.mark.slow
@pytest.mark.e2e
def test_what_attackers_imitate_works_for_those_who_may(target):
    """Or the attacks would be repelled by something else."""
    assert [one.description for one in controls(target) if not one.judge(one.act())] == []
    assert set(stored(target).values()) == {True}
    assert answers(target) == {"an honest batch": 302, "a video": 200, "a static file": 200, "a way back": 302}


@pytest.mark.slow
@pytest.mark.e2e
@pytest.mark.parametrize("module", ON_THE_SITE, ids=lambda module: name_of(module))
def test_none_of_the_attacks_on_a_running_site_succeeds(target, tallies, module):
    tally = tallies[name_of(module)] = carry_out(module.attempts(target))
    assert tally.attempts >= 50, "the attacks were not carried out"
    assert tally.successes == []


@pytest.mark.slow
def test_none_of_the_hostile_models_runs_anything(tallies, tmp_path):
    tally = tallies["models"] = carry_out(models.attempts(tmp_path))
    assert tally.attempts >= 50, "the attacks were not carried out"
    assert tally.successes == []


def name_of(module) -> str:
    return module.__name__.rpartition(".")[2]


def test_the_table_adds_up():
    table = as_table({"names": Tally(1200), "files": Tally(30, ["GET /: x"])})
    assert table.splitlines()[2:] == [
        "| Names | 1,200 | 0 |",
        "| Files, paths and redirects | 30 | 1 |",
        "| all | 1,230 | 1 |",
    ]
