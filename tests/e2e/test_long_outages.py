"""Outages of ten minutes with the settings that everybody has: nothing here is scaled down (`make test-outages`).

Each has a site of its own, so that they run side by side; they mostly wait. OUTAGE_SECONDS makes them shorter or
longer. The disk is small, and so is the room that must be left on it; workers are light (tests/rigs/light_worker.py).
"""

import json
import os
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.rigs.crew import Crew
from tests.rigs.small_disk import Disk
from tests.rigs.wired_site import CLIP, RESUMED_SECONDS, SiteOfServices, Watched, wired
from tests.site import Site

pytestmark = [pytest.mark.e2e, pytest.mark.renders, pytest.mark.slow]

OUTAGE_SECONDS = float(os.environ.get("OUTAGE_SECONDS", "600"))
NOTICED_SECONDS = 90  # until somebody must have met the outage; from then on, every answer must tell
LOOK_SECONDS = 5
CLIPS = 6
ENDED_SECONDS = 300  # for all clips: they take twenty seconds each, one after the other
DONE = "SELECT count(*) FROM generation_stagerun WHERE status = 'done'"
NEVER = "SELECT count(*) FROM generation_job WHERE status IN ('failed', 'cancelled')"


@dataclass
class Told:
    """What the site said while something was away: `page` and `health`, as often as it was asked."""

    page: list[tuple[int, str]] = field(default_factory=list)
    health: list[dict] = field(default_factory=list)


class Visitor:
    """Somebody who reads a clip's page and /healthz every few seconds for the length of the block."""

    def __init__(self, site: Site, job: str, session: str) -> None:
        self.site, self.job, self.session = site, job, session
        self.told = Told()
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> Told:
        self._thread.start()
        return self.told

    def __exit__(self, *_error: object) -> None:
        self._end.set()
        self._thread.join()

    def _look(self) -> None:
        if self._end.wait(NOTICED_SECONDS):
            return
        while not self._end.wait(LOOK_SECONDS):
            self.told.health.append(json.loads(self._ask("/healthz")[1]))
            self.told.page.append(self._ask(f"/jobs/{self.job}/"))

    def _ask(self, path: str) -> tuple[int, str]:
        request = urllib.request.Request(self.site.url + path, headers={"Cookie": f"sessionid={self.session}"})
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()


def go_through(watched: Watched, outage, report) -> Told:
    """Let an outage pass while clips are rendered, and expect nothing to be lost. Return what the site said."""
    jobs = [watched.crew.submit(**CLIP) for _ in range(CLIPS)]
    session = watched.site.session_of("crew")
    watched.until_one_runs("generate")
    with outage:
        with Visitor(watched.site, jobs[0], session) as told:
            time.sleep(OUTAGE_SECONDS)
        assert watched.site.rows(NEVER) == [(0,)]
        before = watched.site.rows(DONE)
    began = time.monotonic()
    watched.crew.until(lambda: watched.site.rows(DONE) != before, "nothing goes on")
    resumed = time.monotonic() - began
    watched.assert_all_end_well(jobs, within=ENDED_SECONDS)
    report(f"went on after {resumed:.0f} s, all {CLIPS} clips done after {time.monotonic() - began:.0f} s")
    report(f"asked {len(told.page)} times, pages answered {dict(Counter(status for status, _page in told.page))}")
    assert resumed < RESUMED_SECONDS
    assert told.page
    return told


@pytest.fixture
def report(request):
    """Return a function that notes a line for docs/reliability.md, in the folder OUTAGE_FIGURES if that is set."""

    def note(line: str) -> None:
        print(line)
        if folder := os.environ.get("OUTAGE_FIGURES"):
            with Path(folder, f"{request.node.name}.txt").open("a") as stream:
                stream.write(f"{OUTAGE_SECONDS:.0f} s: {line}\n")

    return note


@pytest.fixture
def watched_on_wires(tmp_path, s3_server):
    with ExitStack() as stack:
        wires = stack.enter_context(wired(tmp_path, s3_server))
        site = SiteOfServices(tmp_path / "home", wires.url, **wires.environment(s3_server)).start()
        stack.callback(site.stop)
        yield Watched(stack.enter_context(Crew(site))), wires


def test_the_storage_is_away(watched_on_wires, report):
    watched, wires = watched_on_wires
    told = go_through(watched, wires.out("storage"), report)
    assert {status for status, _page in told.page} == {200}
    assert all("The storage does not answer" in page for _status, page in told.page)
    assert all(health["storage"] is False and health["status"] == "degraded" for health in told.health)


def test_the_database_is_away(watched_on_wires, report):
    watched, wires = watched_on_wires
    told = go_through(watched, wires.out("database"), report)
    assert {status for status, _page in told.page} == {503}
    assert all("database" in page for _status, page in told.page)
    assert all(health["database"] is False and health["status"] == "down" for health in told.health)


def test_redis_is_away(watched_on_wires, report):
    watched, wires = watched_on_wires
    told = go_through(watched, wires.out("broker"), report)
    assert {status for status, _page in told.page} == {200}
    assert all("A part of this site does not answer" in page for _status, page in told.page)
    assert all(health["broker"] is False and health["status"] == "down" for health in told.health)


@pytest.mark.skipif(os.getuid() != 0, reason="only root can mount a disk")
@pytest.mark.parametrize(
    ("how", "state", "says"),
    [("full", "full", "The disk is full"), ("read_only", "read-only", "The disk cannot be written to")],
)
def test_the_disk_takes_nothing(tmp_path, report, how, state, says):
    home = tmp_path / "home"
    with Disk(home / "frames", home / "media") as disk, ExitStack() as stack:
        site = Site(home, queues="", AURAVIDEO_MIN_FREE_MB="2").start()
        stack.callback(site.stop)
        watched = Watched(stack.enter_context(Crew(site)))
        told = go_through(watched, getattr(disk, how)(), report)
        assert {status for status, _page in told.page} == {200}
        assert all(says in page for _status, page in told.page)
        assert all(health["disk"]["frames"] == state for health in told.health)
