"""An outage uses up no attempt: clips wait, say for what, and go on soon after its end.

Scaled down: a claim is lost after 5 seconds instead of 60, and the outages take 20 seconds instead of ten minutes. In
test_long_outages.py, nothing is.
"""

import os
import time
from functools import partial

import pytest

from tests.rigs.crew import Crew
from tests.rigs.small_disk import Disk
from tests.rigs.wired_site import CLIP, SiteOfServices, Watched, wired
from tests.site import Site

pytestmark = [pytest.mark.e2e, pytest.mark.renders, pytest.mark.thorough]

OUTAGE_SECONDS = 20


# --- Services -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def wires(tmp_path_factory, s3_server):
    with wired(tmp_path_factory.mktemp("wires"), s3_server) as found:
        yield found


@pytest.fixture(scope="module")
def watched(tmp_path_factory, wires, s3_server):
    environment = {**wires.environment(s3_server), "S3_ATTEMPTS": "1", "AURAVIDEO_LOST_AFTER": "5"}
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
