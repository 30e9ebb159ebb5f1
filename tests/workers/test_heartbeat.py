"""A worker beats while it runs and has its broker; a stage beats while it runs."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import redis
from django.conf import settings as django_settings

from auravideo.core.liveness import heartbeat
from auravideo.server import redis_server
from generation.domain.states import Stage
from tests.factories import JobFactory
from workers import healthcheck, runner

# A real worker that beats often, so that the test need not wait for minutes.
WORKER = """
from django.conf import settings
settings.HEARTBEAT_SECONDS = 0.2
from auravideo.celery import app
app.worker_main("worker -Q cpu -n one@here --without-gossip --without-mingle --concurrency 1 --loglevel ERROR".split())
"""
MAX_AGE = 3.0


class Broker:
    """A Redis server of this test's own, which it may kill."""

    def __init__(self, folder: Path) -> None:
        self.socket = folder / "redis.sock"
        self.process = redis_server.start(self.socket)

    def client(self) -> redis.Redis:
        return redis.Redis(unix_socket_path=str(self.socket))

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def restart(self) -> None:
        self.process = redis_server.start(self.socket)


@pytest.fixture(scope="module")
def own_broker(tmp_path_factory):
    broker = Broker(tmp_path_factory.mktemp("broker"))
    yield broker
    broker.kill()


@pytest.fixture(scope="module")
def worker(own_broker, tmp_path_factory):
    """Yield (process, heartbeat file) of a worker that is up."""
    file = tmp_path_factory.mktemp("beats") / "worker"
    environment = {
        **os.environ, "REDIS_URL": f"unix://{own_broker.socket}", "AURAVIDEO_HEARTBEAT_FILE": str(file),
    }  # fmt: skip
    process = subprocess.Popen([sys.executable, "-c", WORKER], cwd=django_settings.BASE_DIR, env=environment)
    wait_until(file.exists, process)
    yield process, file
    process.kill()
    process.wait()


def wait_until(holds, process, seconds=90) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert process.poll() is None, "the worker exited"
        assert time.monotonic() < deadline, "this never happened"
        time.sleep(0.1)


def is_healthy(file: Path) -> bool:
    return healthcheck.problem(file, MAX_AGE) == ""


def test_a_worker_is_healthy_while_it_waits_for_work(worker):
    process, file = worker
    first = file.stat().st_mtime
    wait_until(lambda: file.stat().st_mtime > first, process)
    assert is_healthy(file)


def test_a_worker_that_hangs_is_found_and_so_is_its_recovery(worker):
    process, file = worker
    process.send_signal(signal.SIGSTOP)
    wait_until(lambda: not is_healthy(file), process)
    process.send_signal(signal.SIGCONT)
    wait_until(lambda: is_healthy(file), process)


@pytest.mark.thorough
def test_a_worker_that_loses_its_broker_is_found_and_so_is_its_recovery(worker, own_broker):
    process, file = worker
    own_broker.kill()
    wait_until(lambda: not is_healthy(file), process)
    own_broker.restart()
    wait_until(lambda: is_healthy(file), process)


@pytest.fixture
def file(settings, tmp_path):
    settings.HEARTBEAT_FILE = str(tmp_path / "worker")
    return tmp_path / "worker"


@pytest.mark.django_db(transaction=True)
def test_a_stage_beats_in_a_file_of_its_own_until_it_ends(file, user, settings):
    settings.HEARTBEAT_SECONDS = 0.05
    stage = file.with_name("worker.stage")
    job = JobFactory(user=user)

    def work(_context):
        deadline = time.monotonic() + 20
        while not stage.exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        assert int(stage.read_text()) == os.getpid()
        os.utime(stage, (0, 0))
        while stage.stat().st_mtime == 0 and time.monotonic() < deadline:
            time.sleep(0.01)
        assert stage.stat().st_mtime > 0
        return {}

    runner.run(Stage.PREPROCESS, str(job.pk), job.run, 0, work)
    assert not stage.exists()


def test_a_file_that_cannot_be_written_is_logged_and_stops_no_stage(settings, tmp_path, caplog):
    settings.HEARTBEAT_FILE = str(tmp_path / "missing" / "worker")
    heartbeat.beat_stage()
    heartbeat.end_stage()
    assert "missing/worker.stage cannot be written: No such file or directory" in caplog.text


def test_without_a_file_nothing_is_written(settings, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    settings.HEARTBEAT_FILE = ""
    heartbeat.beat_stage()
    heartbeat.end_stage()
    assert list(tmp_path.iterdir()) == []
