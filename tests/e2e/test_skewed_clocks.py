"""Workers whose clocks are wrong render like any other: every moment that matters is the database's.

On PostgreSQL, whose clock all machines share. With SQLite, everything is on one machine, which has one clock.
"""

import re
import time
from datetime import UTC, datetime
from uuid import UUID

import psycopg
import pytest

from tests.rigs.crew import Crew
from tests.rigs.shared_services import services
from tests.rigs.skewed_clock import skewed
from tests.site import Site

pytestmark = [pytest.mark.e2e, pytest.mark.renders, pytest.mark.thorough]

CLIP = {"seconds": 1, "fps": 16, "size": "256x256"}
QUEUES = "cpu,generate,interpolate,upscale"
SKEW = 120  # seconds, twice what a claim is lost after
LOST_AFTER = 5


class OnPostgreSQL(Site):
    """A machine that asks a shared database."""

    def rows(self, query, *values):
        with psycopg.connect(self.environment["DATABASE_URL"]) as connection:
            return connection.execute(query.replace("?", "%s"), values).fetchall()


@pytest.fixture(scope="module")
def crew(tmp_path_factory):
    """Yield a crew of two workers: the clock of one is ahead, that of the other behind; the site's is right."""
    folder = tmp_path_factory.mktemp("skewed")
    late, early = skewed(-SKEW), skewed(SKEW)
    with services(folder) as shared:
        site = OnPostgreSQL(folder / "home", "", **shared.environment, AURAVIDEO_LOST_AFTER=str(LOST_AFTER)).start()
        with Crew(site) as crew:
            crew.start("late", QUEUES, wait=False, LIGHT_SECONDS="1", **late)
            crew.start("early", QUEUES, wait=False, LIGHT_SECONDS="1", **early)
            crew.until(lambda: len(crew.members()) == 2, "a worker did not join")
            yield crew
        assert site.stop() == 0


def test_clips_are_rendered_by_workers_whose_clocks_are_wrong(crew):
    jobs = [crew.submit(**CLIP) for _ in range(6)]
    crew.until_done(*jobs)
    runs = crew.runs()
    assert {run["status"] for run in runs} == {"done"}, "an attempt was lost"
    assert {run["worker"] for run in runs} == {"late@rig", "early@rig"}
    assert crew.site.rows("SELECT count(*), count(DISTINCT job_id) FROM gallery_video") == [(6, 6)]


def test_the_logs_of_these_workers_have_their_own_time(crew):
    """This shows that the clocks are wrong."""
    for name, skew in (("late", -SKEW), ("early", SKEW)):
        moments = re.findall(r"^(\S+Z) INFO", crew.log(name).read_text(), re.MULTILINE)
        last = datetime.fromisoformat(moments[-1])
        assert abs((last - datetime.now(UTC)).total_seconds() - skew) < SKEW / 2


def test_moments_are_those_of_the_database_and_in_order(crew):
    job = crew.submit(**CLIP)
    crew.until_done(job)
    ((queued, started, ended, now),) = crew.site.rows(
        "SELECT queued_at, started_at, ended_at, now() FROM generation_job WHERE id = ?", UUID(job)
    )
    assert queued <= started <= ended <= now
    assert (now - queued).total_seconds() < SKEW / 2
    made = crew.site.rows(
        "SELECT v.created_at, j.queued_at FROM gallery_video v JOIN generation_job j ON j.id = v.job_id"
    )
    assert all(queued <= created <= now for created, queued in made)
    spans = crew.site.rows(
        "SELECT started_at, heartbeat_at, ended_at FROM generation_stagerun WHERE job_id = ?", UUID(job)
    )
    assert all(queued <= begun <= beat <= over <= now for begun, beat, over in spans)


def test_a_killed_worker_is_missed_although_the_other_clock_is_wrong(crew):
    """The sweep runs on the worker that is left; it neither waits for minutes nor takes the living for dead."""
    job = crew.submit(**CLIP)
    running = "SELECT worker FROM generation_stagerun WHERE status = 'running'"
    crew.until(lambda: crew.site.rows(running), "nobody begins")
    ((worker,),) = crew.site.rows(running)
    start = time.monotonic()
    crew.stop(worker.partition("@")[0], "kill")
    crew.until_done(job)
    assert time.monotonic() - start < SKEW / 2
    assert [run["status"] for run in crew.runs(job)].count("lost") == 1
