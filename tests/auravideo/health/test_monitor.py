"""A health check is bounded in time, runs at most once at a time, and serves everybody who asks."""

import threading
import time

import pytest

from auravideo.health import monitor
from auravideo.health.monitor import Monitor


class Part:
    """A part of the site that works, fails or hangs."""

    def __init__(self) -> None:
        self.calls = 0
        self.error: Exception | None = None
        self.hangs = threading.Event()
        self.freed = threading.Event()

    def check(self) -> bool:
        self.calls += 1
        if self.hangs.is_set():
            self.freed.wait(30)
        if self.error is not None:
            raise self.error
        return True


@pytest.fixture
def part():
    found = Part()
    yield found
    found.freed.set()


@pytest.fixture
def patient(monkeypatch):
    """Make answers fresh for longer than a test takes, and wait for them as long; `expire` ends it."""
    monkeypatch.setattr(monitor, "LIMIT_SECONDS", 60.0)
    monkeypatch.setattr(monitor, "FRESH_SECONDS", 60.0)
    monkeypatch.setattr(monitor, "STALE_SECONDS", 600.0)


@pytest.fixture
def quick(patient, monkeypatch):
    """Wait for an answer only briefly."""
    monkeypatch.setattr(monitor, "LIMIT_SECONDS", 0.3)


def wait_until(holds, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "this never happened"
        time.sleep(0.01)


def expire(found: Monitor) -> None:
    """Let the time pass for which the last answer is fresh."""
    found._answered = min(found._answered, time.monotonic() - monitor.FRESH_SECONDS)


def ask(found: Monitor) -> bool:
    found.refresh()
    return found.answer()


def test_a_part_that_works_is_well(part):
    assert ask(Monitor("part", part.check, False)) is True


def test_strangers_who_ask_often_cause_one_check(part):
    found = Monitor("part", part.check, False)
    assert all(ask(found) for _ in range(1000))
    assert part.calls == 1


def test_an_answer_is_renewed_after_a_while(part, patient):
    found = Monitor("part", part.check, False)
    assert ask(found)
    part.error = OSError("gone")
    assert ask(found), "still fresh"
    expire(found)
    assert not ask(found)
    part.error = None
    expire(found)
    assert ask(found)


def test_a_part_that_hangs_fails_in_time_and_keeps_one_thread(part, quick):
    found = Monitor("part", part.check, False)
    part.hangs.set()
    began = time.monotonic()
    assert not ask(found)
    assert time.monotonic() - began < 15, "it hangs for 30 s"
    threads = threading.active_count()
    began = time.monotonic()
    assert not any(ask(found) for _ in range(100))
    assert time.monotonic() - began < 15, "nobody waits for a check that is overdue: 100 times 0.3 s"
    assert (part.calls, threading.active_count()) == (1, threads)
    part.hangs.clear()
    part.freed.set()
    wait_until(lambda: not found._is_running)
    assert ask(found)


def test_while_one_waits_the_others_get_the_last_answer(part, patient):
    found = Monitor("part", part.check, False)
    assert ask(found)
    expire(found)
    part.hangs.set()
    waiter = threading.Thread(target=ask, args=(found,))
    waiter.start()
    wait_until(lambda: found._is_awaited)
    assert ask(found)
    assert waiter.is_alive(), "the answer was that of the hanging check"
    part.freed.set()
    waiter.join()


def test_the_log_says_why_once_and_when_it_is_over(part, patient, caplog):
    found = Monitor("storage", part.check, False)
    part.error = PermissionError("the bucket is closed")
    for _ in range(3):
        assert not ask(found)
        expire(found)
    part.error = None
    with caplog.at_level("INFO"):
        assert ask(found)
    assert part.calls == 4
    assert caplog.text.count("The health check of the storage failed: PermissionError: the bucket is closed") == 1
    assert "The health check of the storage passes again" in caplog.text


def test_a_part_that_is_still_starting_is_no_news(part, patient, caplog):
    found = Monitor("scheduler", part.check, False, starts_within=60)
    part.error = RuntimeError("not there yet")
    assert ask(found) is False
    assert "failed" not in caplog.text
    part.error = None
    expire(found)
    assert ask(found) is True
    part.error = RuntimeError("gone")
    expire(found)
    assert ask(found) is False
    assert "The health check of the scheduler failed: RuntimeError: gone" in caplog.text


def test_a_part_that_never_starts_is_told(part, patient, caplog):
    found = Monitor("scheduler", part.check, False, starts_within=0.01)
    part.error = RuntimeError("not there yet")
    time.sleep(0.02)
    assert ask(found) is False
    assert "not there yet" in caplog.text
