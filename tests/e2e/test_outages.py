"""An outage uses up no attempt: clips wait, say for what, and go on soon after its end.

Scaled down: a claim is lost after 5 seconds instead of 60, and the outages take 20 seconds instead of ten minutes.
"""

import os
import time
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from uuid import UUID

import psycopg
import pytest

from auravideo.server import redis_server
from tests import postgres
from tests.rigs.crew import Crew
from tests.rigs.faulty_wire import FaultyWire
from tests.rigs.relay import Relay
from tests.rigs.small_disk import Disk
from tests.site import Site

pytestmark = [pytest.mark.e2e, pytest.mark.renders, pytest.mark.thorough]

OUTAGE_SECONDS, RESUMED_SECONDS = 20, 60
QUEUES = ("cpu", "generate", "interpolate", "upscale")
CLIP = {"seconds": 1, "fps": 16, "size": "256x256"}


class Watched:
    """A crew with a worker for each queue of a site, and what its clips have been through."""

    def __init__(self, crew: Crew, **variables: str) -> None:
        self.crew, self.site = crew, crew.site
        for queue in QUEUES:
            crew.start(queue, queue, wait=False, LIGHT_SECONDS="2", **variables)
        crew.until(lambda: len(crew.members()) == len(QUEUES), "a worker did not join")

    def until_one_runs(self, stage: str) -> None:
        running = "SELECT count(*) FROM generation_stagerun WHERE stage = ? AND status = 'running'"
        self.crew.until(lambda: self.site.rows(running, stage)[0][0], f"nobody runs {stage}")

    def warnings(self) -> set[str]:
        return {str(row[0]) for row in self.site.rows("SELECT warnings FROM generation_job WHERE status <> 'done'")}

    def assert_all_end_well(self, jobs: list[str]) -> None:
        """Expect all jobs to be done soon, with one video each, no attempt used up and nothing left of warnings."""
        start = time.monotonic()
        self.crew.until_done(*jobs)
        assert time.monotonic() - start < RESUMED_SECONDS
        for job in jobs:
            runs = "SELECT stage, error FROM generation_stagerun WHERE job_id = ? AND status IN ('lost', 'failed')"
            assert self.site.rows(runs, UUID(job).hex) == []
            ((warnings,),) = self.site.rows("SELECT warnings FROM generation_job WHERE id = ?", UUID(job).hex)
            assert not any(reason in str(warnings) for reason in ("storage", "disk", "service"))
            videos = "SELECT count(*) FROM gallery_video WHERE job_id = ?"
            assert self.site.rows(videos, UUID(job).hex) == [(1,)]


# --- Services -----------------------------------------------------------------------------------------------------


class SiteOfServices(Site):
    """A site whose database, broker and storage are reached over wires that can be cut."""

    def __init__(self, home, database: str, **environment: str) -> None:
        self.database = database  # not over the wire
        super().__init__(home, queues="", **environment)

    def rows(self, query, *values):
        with psycopg.connect(self.database) as connection:
            return connection.execute(query.replace("?", "%s"), values).fetchall()


class Wires:
    """The wires, by name of the service."""

    def __init__(self, url: str, database: Relay, broker: Relay, storage: FaultyWire) -> None:
        self.url = url  # of the database, past its wire
        self.database, self.broker, self.storage = database, broker, storage

    def out(self, what: str):
        """Return the outage to enter."""
        if what == "storage-503":
            return self.storage.broken("unavailable")
        return {"database": self.database.cut, "broker": self.broker.cut, "storage": self._refused}[what]()

    @contextmanager
    def _refused(self):
        self.storage.stop()
        yield
        self.storage.start()


@pytest.fixture(scope="module")
def wires(tmp_path_factory, s3_server):
    folder = tmp_path_factory.mktemp("wires")
    redis = redis_server.start(folder / "redis.sock")
    with postgres.running() as url:
        socket = next(Path(url.rpartition("host=")[2]).glob(".s.PGSQL.*[0-9]"))
        storage = FaultyWire(s3_server.port).start()
        found = Wires(url, Relay(socket), Relay(folder / "redis.sock"), storage)
        yield found
        found.storage.stop()
    redis.kill()
    redis.wait()


@pytest.fixture(scope="module")
def watched(tmp_path_factory, wires, s3_server):
    environment = {
        **s3_server.environment(s3_server.make_bucket()),
        "S3_ENDPOINT_URL": wires.storage.endpoint,
        "S3_ATTEMPTS": "1",
        "DATABASE_URL": f"postgresql://auravideo@127.0.0.1:{wires.database.port}/postgres",
        "REDIS_URL": f"redis://127.0.0.1:{wires.broker.port}",
        "AURAVIDEO_LOST_AFTER": "5",
    }
    site = SiteOfServices(tmp_path_factory.mktemp("services") / "home", wires.url, **environment).start()
    with Crew(site) as crew:
        yield Watched(crew)
    site.stop()


@pytest.mark.parametrize("what", ["storage-503", "storage", "database", "broker"])
def test_a_service_that_is_away_costs_no_attempt(watched, wires, what):
    jobs = [watched.crew.submit(**CLIP) for _ in range(4)]
    watched.until_one_runs("generate")
    seen = set()
    with wires.out(what):
        until = time.monotonic() + OUTAGE_SECONDS
        while time.monotonic() < until:
            seen |= watched.warnings()
            time.sleep(0.5)
    watched.assert_all_end_well(jobs)
    if what.startswith("storage"):
        assert any("storage-waiting" in warnings for warnings in seen), seen


def test_a_worker_that_is_stopped_while_the_database_is_away_costs_no_attempt(watched, wires):
    job = watched.crew.submit(**CLIP)
    watched.until_one_runs("generate")
    with wires.out("database"):
        watched.crew.stop("generate")
    watched.crew.start("generate", "generate", LIGHT_SECONDS="2")
    watched.assert_all_end_well([job])


# --- Disks --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def on_small_disks(tmp_path_factory):
    if os.getuid():
        pytest.skip("only root can mount a disk")
    home = tmp_path_factory.mktemp("disks") / "home"
    with Disk(home / "frames", home / "media") as disk:
        site = Site(home, queues="", AURAVIDEO_LOST_AFTER="5", AURAVIDEO_MIN_FREE_MB="2").start()
        with Crew(site) as crew:
            yield Watched(crew), disk
        site.stop()


DELETE = """
from gallery import lifecycle
from gallery.models import Video
video = Video.objects.get(job_id={job!r})
files = [file.storage.path(str(file)) for file in video.files]
lifecycle.delete(video)
lifecycle.purge_trash()
import os
print([file for file in files if os.path.exists(file)], Video.objects.filter(pk=video.pk).exists())
"""
HEALTH = "from auravideo.core import storage; print(storage.states())"


@pytest.mark.parametrize(("how", "reason"), [("full", "disk-full"), ("read_only", "disk-read-only")])
def test_a_disk_that_takes_nothing_costs_no_attempt_and_is_named(on_small_disks, how, reason):
    watched, disk = on_small_disks
    old = watched.crew.submit(**CLIP)
    watched.crew.until_done(old)
    jobs = [watched.crew.submit(**CLIP) for _ in range(4)]
    watched.until_one_runs("generate")
    with getattr(disk, how)():
        until = time.monotonic() + OUTAGE_SECONDS
        watched.crew.until(lambda: any(reason in text for text in watched.warnings()), "nobody says what is missing")
        states = watched.site.python(HEALTH)
        assert f"'frames': '{how.replace('_', '-')}'" in states, states
        if how == "full":
            assert watched.site.python(DELETE.format(job=old)) == "[] False"
        while time.monotonic() < until:
            assert {watched.crew.status(job) for job in jobs} <= {"queued", "running", "done"}
            time.sleep(0.5)
    watched.assert_all_end_well(jobs)
    files = [path for folder in disk.folders for path in folder.rglob("*") if path.is_file()]
    assert [str(path) for path in files if not path.stat().st_size or path.name.startswith(".")] == []


def test_a_clip_does_not_begin_while_the_disk_is_almost_full(on_small_disks):
    watched, disk = on_small_disks
    ballast = disk.folders[0] / "ballast"
    with ballast.open("wb") as stream:
        os.posix_fallocate(stream.fileno(), 0, 15_500_000)
    submit = partial(watched.crew.submit, **CLIP)
    with pytest.raises(AssertionError, match="NoRoom"):
        submit()
    ballast.unlink()
    job = submit()
    watched.assert_all_end_well([job])
