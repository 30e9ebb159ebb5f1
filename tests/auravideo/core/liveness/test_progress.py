"""A child's progress is seen by its parent, whatever the child is stuck in."""

import os
import time

import pytest

from auravideo.core.liveness import progress


@pytest.fixture(autouse=True)
def _put_back(monkeypatch):
    monkeypatch.setattr(progress, "_board", None)
    monkeypatch.setattr(progress, "_mine", None)
    monkeypatch.setattr(progress, "_allowance", 0.0)


def in_a_child(work) -> int:
    """Run `work` in a forked child that ends without cleaning up; return its process."""
    pid = os.fork()
    if pid == 0:
        try:
            work()
        finally:
            os._exit(0)
    os.waitpid(pid, 0)
    return pid


def test_a_parent_reads_what_its_child_said_last():
    progress.open_board()

    def work():
        progress.take_slot(3)
        progress.hold(17)
        progress.expect(60)

    child = in_a_child(work)
    (sign,) = progress.signs()
    assert (sign.pid, sign.claim) == (child, 17)
    assert sign.due == pytest.approx(time.monotonic() + 60, abs=5)


def test_an_idle_child_says_nothing():
    progress.open_board()

    def work():
        progress.take_slot(0)
        progress.expect(60)
        progress.rest()
        progress.advance()

    in_a_child(work)
    assert progress.signs() == []


def test_the_child_that_takes_a_slot_forgets_its_predecessor():
    progress.open_board()
    in_a_child(lambda: (progress.take_slot(0), progress.hold(17), progress.expect(60)))
    in_a_child(lambda: progress.take_slot(0))
    assert progress.signs() == []


def test_moving_bytes_extends_the_allowance_and_does_not_shorten_it(monkeypatch):
    progress.open_board()
    progress.take_slot(0)
    progress.expect(60)
    first = progress.signs()[0].due
    later = time.monotonic() + 10
    monkeypatch.setattr(time, "monotonic", lambda: later)
    progress.advance()
    assert progress.signs()[0].due == later + 60 > first


@pytest.mark.parametrize("index", [-1, progress.SLOTS])
def test_a_process_without_a_slot_is_not_watched(index):
    progress.open_board()
    progress.take_slot(index)
    progress.hold(17)
    progress.expect(60)
    assert progress.signs() == []
