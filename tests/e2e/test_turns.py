"""Three users on one site with real workers: whoever submits how much, and how, everybody's next clip has its turn."""

from itertools import pairwise

import pytest

from tests.rigs.crew import Crew
from tests.site import Site

pytestmark = [pytest.mark.e2e, pytest.mark.renders, pytest.mark.thorough]

BULK = """
from accounts.models import User
from generation.queue import services
from generation.requests import available
from generation.requests.request import parse
asked = {{"prompt": "a star", "seconds": 1, "fps": 8, "size": "128x128"}}
asked = parse(asked, available.catalogue(), available.limits())
user, _ = User.objects.get_or_create(username={name!r}, email="{name}@example.org")
for _ in range({count} if {alone} else 1):
    services.submit_many(user, [asked] * (1 if {alone} else {count}))
"""
CLIPS = 8


@pytest.fixture
def site(tmp_path):
    started = Site(tmp_path / "home", queues="").start()
    yield started
    assert started.stop() == 0


def generated(site) -> list[str]:
    """Return whose clips were taken for generating, in order."""
    return [
        name
        for (name,) in site.rows(
            "SELECT accounts_user.username FROM generation_stagerun run JOIN generation_job job ON job.id = run.job_id "
            "JOIN accounts_user ON accounts_user.id = job.user_id WHERE run.stage = 'generate' ORDER BY run.started_at"
        )
    ]


@pytest.mark.parametrize("workers", [1, 2])
def test_bulk_or_one_by_one_everybody_has_every_third_turn(site, workers):
    def submit(name: str, count: int, *, one_by_one: bool) -> None:
        site.python(BULK.format(name=name, count=count, alone=one_by_one))

    with Crew(site) as crew:
        crew.start("cpu", "cpu", LIGHT_STAGES="none")
        for number in range(workers):
            crew.start(f"g{number}", "generate", LIGHT_STAGES="", LIGHT_SECONDS="0.2")
        submit("alice", CLIPS, one_by_one=False)
        crew.until(lambda: len(generated(site)) > workers, "nobody generates")
        submit("bob", CLIPS, one_by_one=False)
        submit("carol", CLIPS, one_by_one=True)
        since = len(generated(site))
        crew.until(lambda: len(generated(site)) == 3 * CLIPS, f"only {generated(site)}")
        order = generated(site)
    later = order[since + workers :]
    for name in ("bob", "carol"):
        turns = [place for place, user in enumerate(later) if user == name]
        gaps = [turns[0] + 1, *(after - before for before, after in pairwise(turns))]
        assert max(gaps) <= 2 + workers, (name, gaps, order)
    assert order[-1] != "alice" or order[:since].count("alice") < 2, "alice began earlier, so she ends earlier"
