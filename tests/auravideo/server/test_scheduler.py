"""However many schedulers start, one schedules, and another takes over within seconds of its death."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import redis
from django.conf import settings as django_settings

from auravideo.celery import app
from auravideo.server import redis_server, scheduler
from generation.queue import broker

pytestmark = pytest.mark.thorough

BUSY_SECONDS = 20  # what a busy machine takes on top
TAKEOVER_SECONDS = scheduler.LEASE_SECONDS + 3 * scheduler.STANDBY_SECONDS + BUSY_SECONDS


class Machine:
    """One machine's scheduler: a real `manage.py scheduler` with a home of its own."""

    def __init__(self, folder: Path, redis_url: str) -> None:
        folder.mkdir()
        self.log = folder / "log"
        self.beats = folder / "beats"
        environment = {
            **os.environ, "AURAVIDEO_HOME": str(folder / "home"), "REDIS_URL": redis_url,
            "AURAVIDEO_HEARTBEAT_FILE": str(self.beats), "PYTHONUNBUFFERED": "1",
        }  # fmt: skip
        command = [sys.executable, "manage.py", "scheduler"]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                command, cwd=django_settings.BASE_DIR, env=environment, stdout=log, stderr=log
            )

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()


class Machines:
    """Several machines that share a Redis server, which the tests may kill."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.socket = folder / "redis.sock"
        self.server = redis_server.start(self.socket)
        self.client = redis.Redis(unix_socket_path=str(self.socket))
        self.all: list[Machine] = []

    def add(self) -> Machine:
        self.all.append(Machine(self.folder / f"machine-{len(self.all)}", f"unix://{self.socket}"))
        return self.all[-1]

    def holder(self) -> Machine | None:
        """Return the machine that holds the lease."""
        pid = scheduler.holder(self.client).rpartition(":")[2]
        return next((machine for machine in self.all if str(machine.process.pid) == pid), None)

    def wait_for_holder(self, seconds: float, *, other_than: Machine | None = None) -> Machine:
        deadline = time.monotonic() + seconds
        while (found := self.holder()) in (None, other_than):
            assert time.monotonic() < deadline, [machine.log.read_text() for machine in self.all]
            time.sleep(0.05)
        return found

    def sent(self) -> int:
        """Return how many scheduled tasks wait in the queue."""
        return self.client.llen("cpu")

    def make_everything_due(self) -> None:
        self.client.hset(scheduler.LAST_RUNS_KEY, mapping=dict.fromkeys(app.conf.beat_schedule, 0))

    def stop(self) -> None:
        for machine in self.all:
            machine.stop()
        self.server.kill()
        self.server.wait()


@pytest.fixture
def machines(tmp_path):
    found = Machines(tmp_path)
    yield found
    found.stop()


@pytest.fixture
def three(machines):
    machines.make_everything_due()
    for _ in range(3):
        machines.add()
    machines.wait_for_holder(60)
    return machines


def wait_until(holds, seconds=30) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "this never happened"
        time.sleep(0.05)


def test_one_of_three_schedules_and_a_killed_one_is_replaced_within_seconds(three):
    wait_until(lambda: three.sent() == len(app.conf.beat_schedule))
    wait_until(lambda: sum("Standing by" in machine.log.read_text() for machine in three.all) == 2)
    first = three.holder()
    three.make_everything_due()
    first.process.kill()
    second = three.wait_for_holder(TAKEOVER_SECONDS, other_than=first)
    wait_until(lambda: three.sent() == 2 * len(app.conf.beat_schedule))
    taken = time.time()
    (other,) = [machine for machine in three.all if machine not in (first, second)]
    for machine in (second, other):  # or its health check would fail
        wait_until(lambda machine=machine: machine.beats.stat().st_mtime > taken)


def test_one_that_is_stopped_hands_over_at_once(three):
    first = three.holder()
    first.process.terminate()
    assert first.process.wait(30) == 0
    assert three.holder() is not first, "the others wait until its lease expires"
    three.wait_for_holder(TAKEOVER_SECONDS, other_than=first)


def test_one_that_was_frozen_stands_by_when_it_wakes_up(three):
    first = three.holder()
    first.process.send_signal(signal.SIGSTOP)
    second = three.wait_for_holder(TAKEOVER_SECONDS, other_than=first)
    taken = time.time()
    wait_until(lambda: second.beats.stat().st_mtime > taken)  # it has read when each task last ran
    wait_until(lambda: three.sent() == len(app.conf.beat_schedule))
    # Due for whoever thinks that it is its turn. The new holder does not read this again.
    three.make_everything_due()
    before = three.sent()
    first.process.send_signal(signal.SIGCONT)
    wait_until(lambda: "stands by again" in first.log.read_text())
    assert three.holder() is second
    # The holder may send what has become due since; the frozen one would send everything.
    assert three.sent() - before < len(app.conf.beat_schedule)


def test_after_a_redis_that_died_or_was_wiped_one_schedules_again(three):
    three.client.flushall()
    three.wait_for_holder(TAKEOVER_SECONDS)
    three.server.kill()
    three.server.wait()
    for machine in three.all:
        wait_until(lambda machine=machine: "Redis does not answer" in machine.log.read_text())
    three.server = redis_server.start(three.socket)
    three.client = redis.Redis(unix_socket_path=str(three.socket))
    three.wait_for_holder(TAKEOVER_SECONDS)
    assert all(machine.process.poll() is None for machine in three.all)


# --- The lease ------------------------------------------------------------------------------------------------------


@pytest.fixture
def client():
    return broker.connection()


@pytest.fixture
def later(monkeypatch):
    """Return a function that moves the clock of schedulers. Redis has its own, so no lease ends there."""
    monkeypatch.setattr(scheduler, "LEASE_SECONDS", 60.0)
    passed = [0.0]
    real = scheduler._clock
    monkeypatch.setattr(scheduler, "_clock", lambda: real() + passed[0])

    def pass_by(seconds: float) -> None:
        passed[0] += seconds

    return pass_by


def test_only_one_holds_the_lease(client):
    one, two = scheduler.Lease(client, "one:1"), scheduler.Lease(client, "two:2")
    assert (one.acquire(), two.acquire()) == (True, False)
    assert two.holder() == "one:1"
    two.release()
    assert two.holder() == "one:1"
    one.release()
    assert two.acquire()


def test_a_lease_that_is_kept_does_not_end(client, later):
    lease = scheduler.Lease(client, "one:1")
    assert lease.acquire()
    client.pexpire(scheduler.LEASE_KEY, 30_000)
    for _ in range(10):
        later(scheduler.RENEW_SECONDS)
        lease.keep()
    assert lease.holder() == "one:1"
    assert client.pttl(scheduler.LEASE_KEY) > 30_000, "it was not renewed"
    for _ in range(40):
        later(scheduler.RENEW_SECONDS)
        lease.keep()


def test_a_lease_ends_for_its_holder_before_it_ends_for_others(client, later):
    lease = scheduler.Lease(client, "one:1")
    assert lease.acquire()
    assert client.pttl(scheduler.LEASE_KEY) <= 60_000
    later(scheduler.LEASE_SECONDS - scheduler.MARGIN_SECONDS)
    with pytest.raises(scheduler.LeaseLost, match="expired"):
        lease.check()
    assert lease.holder() == "one:1"
    client.pexpire(scheduler.LEASE_KEY, 1)
    wait_until(lambda: lease.holder() == "")


def test_a_lease_that_somebody_else_took_is_lost(client, later):
    one, two = scheduler.Lease(client, "one:1"), scheduler.Lease(client, "two:2")
    assert one.acquire()
    client.flushall()
    assert two.acquire()
    later(scheduler.RENEW_SECONDS)
    with pytest.raises(scheduler.LeaseLost, match="another"):
        one.keep()


def test_nothing_is_sent_without_the_lease(client, later):
    client.hset(scheduler.LAST_RUNS_KEY, mapping=dict.fromkeys(app.conf.beat_schedule, 0))
    lease = scheduler.Lease(client, "one:1")
    assert lease.acquire()
    found = scheduler.Scheduler(app, lease, client)
    found.tick()
    assert client.llen("cpu") == 1
    later(scheduler.LEASE_SECONDS)
    with pytest.raises(scheduler.LeaseLost):
        found.tick()
    assert client.llen("cpu") == 1
    found.close()


def test_an_interval_goes_on_after_a_change_of_holder(client):
    now = time.time()
    runs = {**dict.fromkeys(app.conf.beat_schedule, now), "prune": now - 3700, "an-old-name": 1}
    client.hset(scheduler.LAST_RUNS_KEY, mapping=runs)
    lease = scheduler.Lease(client, "one:1")
    assert lease.acquire()
    found = scheduler.Scheduler(app, lease, client)
    for _ in range(20):
        found.tick()
    found.close()
    assert client.llen("cpu") == 1
    assert float(client.hget(scheduler.LAST_RUNS_KEY, "prune")) >= now


def test_results_are_ignored(client):
    lease = scheduler.Lease(client, "one:1")
    assert lease.acquire()
    found = scheduler.Scheduler(app, lease, client)
    assert found.send_task("gallery.tasks.purge_trash").ignored
    found.close()


def test_it_ends_when_asked_to(client):
    stop, beats = threading.Event(), []
    thread = threading.Thread(target=scheduler.run, args=(app, client, stop, lambda: beats.append(1)))
    thread.start()
    wait_until(lambda: beats)
    stop.set()
    thread.join(30)
    assert not thread.is_alive()
    assert scheduler.holder(client) == ""
