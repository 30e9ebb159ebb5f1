"""Crashes of every part of the site: every clip still ends exactly once, with one video."""

import os
import signal
import time
from uuid import UUID

import pytest
import redis

from tests.site import Site

pytestmark = [pytest.mark.e2e, pytest.mark.renders, pytest.mark.thorough]

SUBMIT = """
from accounts.models import User
from generation.queue import services
from generation.requests import available
from generation.requests.request import parse
user, _ = User.objects.get_or_create(username="faults", email="faults@example.org")
data = {{"prompt": "a purple square growing in the desert", "seconds": {seconds}, "fps": 16}}
print(services.submit(user, parse(data, available.catalogue(), available.limits())).pk)
"""
END_SECONDS = 180


@pytest.fixture(scope="module")
def own_site(tmp_path_factory):
    """Yield a separate site, since parts of it are killed; it detects a dead worker after five seconds."""
    started = Site(tmp_path_factory.mktemp("faults") / "home", AURAVIDEO_LOST_AFTER="5").start()
    yield started
    started.stop()
    assert started.processes() == []


def submit(site, seconds=4) -> str:
    return site.python(SUBMIT.format(seconds=seconds))


def state(site, job) -> dict[str, object]:
    """Return the job's state, read directly from the database: starting Django would take longer than a short stage."""
    ((status, run, error, traceback),) = site.rows(
        "SELECT status, run, error_id, traceback FROM generation_job WHERE id = ?", UUID(job).hex
    )
    videos = site.rows("SELECT count(*) FROM gallery_video WHERE job_id = ?", UUID(job).hex)[0][0]
    return {"status": status, "run": run, "videos": videos, "error": error, "traceback": traceback}


def wait_for_stage(site, job, stage) -> int:
    """Wait until a process runs `stage` of the job and return its PID."""
    running = "SELECT worker FROM generation_stagerun WHERE job_id = ? AND stage = ? AND status = 'running'"
    deadline = time.monotonic() + END_SECONDS
    while time.monotonic() < deadline:
        for (worker,) in site.rows(running, UUID(job).hex, stage):
            return int(worker.rsplit(":", 1)[1])
        time.sleep(0.02)
    raise AssertionError(f"{stage} never ran: {state(site, job)}")


def assert_ends_with_one_video(site, job) -> int:
    """Expect the job to end as done with one video; return the number of its last run."""
    deadline = time.monotonic() + END_SECONDS
    while time.monotonic() < deadline:
        found = state(site, job)
        if found["status"] not in ("queued", "running"):
            assert (found["status"], found["videos"]) == ("done", 1), f"{found}\n{site.log.read_text()[-3000:]}"
            return found["run"]
        time.sleep(0.1)
    raise AssertionError(f"never ended: {state(site, job)}\n{site.log.read_text()[-3000:]}")


def test_a_worker_process_that_is_killed_costs_one_attempt_and_no_clip(own_site):
    job = submit(own_site)
    os.kill(wait_for_stage(own_site, job, "generate"), signal.SIGKILL)
    assert assert_ends_with_one_video(own_site, job) == 2


@pytest.mark.slow
def test_a_whole_worker_that_is_killed_costs_one_attempt_and_no_clip(own_site):
    job = submit(own_site)
    child = wait_for_stage(own_site, job, "generate")
    with open(f"/proc/{child}/stat") as stat:
        parent = int(stat.read().rpartition(")")[2].split()[1])
    os.killpg(os.getpgid(parent), signal.SIGKILL)
    assert assert_ends_with_one_video(own_site, job) >= 2


def test_a_redis_that_is_wiped_costs_no_clip(own_site):
    jobs = [submit(own_site, seconds=1) for _ in range(2)]
    wait_for_stage(own_site, jobs[0], "generate")
    redis.Redis(unix_socket_path=str(own_site.home / "redis" / "redis.sock")).flushall()
    for job in jobs:
        assert_ends_with_one_video(own_site, job)


@pytest.mark.slow
def test_a_redis_that_is_killed_comes_back_and_costs_no_clip(own_site):
    job = submit(own_site)
    wait_for_stage(own_site, job, "generate")
    socket = own_site.home / "redis" / "redis.sock"
    server = redis.Redis(unix_socket_path=str(socket)).info("server")["process_id"]
    os.kill(server, signal.SIGKILL)
    assert_ends_with_one_video(own_site, job)


@pytest.mark.slow
def test_a_site_that_is_stopped_goes_on_where_it_was(own_site):
    job = submit(own_site)
    wait_for_stage(own_site, job, "generate")
    assert own_site.stop() == 0
    assert own_site.processes() == []
    own_site.log.rename(own_site.home / "serve.1.log")
    own_site.start()
    assert_ends_with_one_video(own_site, job)
