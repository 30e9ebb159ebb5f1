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
def quick(monkeypatch):
    monkeypatch.setattr(monitor, "LIMIT_SECONDS", 0.3)
    monkeypatch.setattr(monitor, "FRESH_SECONDS", 0.2)


def ask(found: Monitor) -> bool:
    found.refresh()
    return found.answer()


def test_a_part_that_works_is_well(part):
    assert ask(Monitor("part", part.check, False)) is True


def test_strangers_who_ask_often_cause_one_check(part):
    found = Monitor("part", part.check, False)
    assert all(ask(found) for _ in range(1000))
    assert part.calls == 1


def test_an_answer_is_renewed_after_a_while(part, quick):
    found = Monitor("part", part.check, False)
    assert ask(found)
    part.error = OSError("gone")
    assert ask(found), "still fresh"
    time.sleep(0.25)
    assert not ask(found)
    part.error = None
    time.sleep(0.25)
    assert ask(found)


def test_a_part_that_hangs_fails_in_time_and_keeps_one_thread(part, quick):
    found = Monitor("part", part.check, False)
    part.hangs.set()
    began = time.monotonic()
    assert not ask(found)
    assert time.monotonic() - began < 0.6
    threads = threading.active_count()
    began = time.monotonic()
    assert not any(ask(found) for _ in range(100))
    assert time.monotonic() - began < 0.3, "nobody waits for a check that is overdue"
    assert (part.calls, threading.active_count()) == (1, threads)
    part.hangs.clear()
    part.freed.set()
    time.sleep(0.3)
    assert ask(found)


def test_while_one_waits_the_others_get_the_last_answer(part, quick):
    found = Monitor("part", part.check, False)
    assert ask(found)
    time.sleep(0.25)
    part.hangs.set()
    waiter = threading.Thread(target=ask, args=(found,))
    waiter.start()
    time.sleep(0.05)
    began = time.monotonic()
    assert ask(found)
    assert time.monotonic() - began < 0.1
    waiter.join()


def test_the_log_says_why_once_and_when_it_is_over(part, quick, caplog):
    found = Monitor("storage", part.check, False)
    part.error = PermissionError("the bucket is closed")
    for _ in range(3):
        assert not ask(found)
        time.sleep(0.25)
    part.error = None
    with caplog.at_level("INFO"):
        assert ask(found)
    assert part.calls == 4
    assert caplog.text.count("The health check of the storage failed: PermissionError: the bucket is closed") == 1
    assert "The health check of the storage passes again" in caplog.text
