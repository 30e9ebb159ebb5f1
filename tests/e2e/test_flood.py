"""Some seconds of a flood: nobody gets an error, and whoever uses the site goes on. `make worst-minute` measures it."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.rigs.flood.minute import Rig
from tests.seeded import SeededSite

pytestmark = [pytest.mark.e2e, pytest.mark.slow]  # on a machine that is busy otherwise, somebody may be turned away


def test_a_flood_of_expensive_requests_keeps_nobody_else_from_the_site(tmp_path):
    site = SeededSite(tmp_path / "home").start()
    try:
        rig = Rig(site, clips=0, public=2_000)
        with ThreadPoolExecutor(1) as thread:  # Playwright's event loop runs in this one
            found = thread.submit(rig.run, 200, 6, 2).result()
    finally:
        assert site.stop() == 0
    assert found.flood.all.sent == 1200
    assert found.flood.all.errors == 0, found.table()
    assert found.flood.all.statuses[429] > 300, "it was no flood"
    assert set(found.person.statuses) == {200}, found.table()
    assert found.person.sent >= 4
