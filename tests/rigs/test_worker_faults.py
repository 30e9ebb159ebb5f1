"""Orders are taken once, and a crash comes exactly at the line that was ordered."""

import os
import signal
import threading

import pytest

from tests.rigs import worker_faults
from tests.rigs.trouble import Trouble


@pytest.fixture
def trouble(tmp_path):
    return Trouble(tmp_path / "trouble")


def test_an_order_is_taken_by_exactly_one(trouble):
    trouble.order("generate", "stop", 5)
    assert (trouble.waiting(), trouble.taken("generate")) == (["generate"], "")
    taken = []
    takers = [threading.Thread(target=lambda: taken.append(trouble.take("generate"))) for _ in range(8)]
    for taker in takers:
        taker.start()
    for taker in takers:
        taker.join()
    assert [order for order in taken if order] == [("generate", "stop", "5")]
    assert (trouble.waiting(), trouble.taken("generate")) == ([], "stop 5")


def test_an_order_can_be_repeated_and_withdrawn(trouble):
    trouble.order("purge", "crash", 3)
    trouble.take("purge")
    trouble.order("purge", "crash", 4)
    assert trouble.taken("purge") == ""
    trouble.forget()
    assert trouble.take("finish", "purge") is None


def _called(log):
    """Stand for code of ours: three lines, and those of the log."""
    log.append(1)
    log.append(2)
    log.append(3)


@pytest.fixture
def ours(monkeypatch):
    monkeypatch.setattr(worker_faults, "OURS", __file__)


def _crashed(trouble, log):
    """Return the signal that ends a process which makes the call, and what it has done by then."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            calls = worker_faults.crashing(trouble, _called, lambda _log: ("place",))

            class Pipe:
                def append(self, number):
                    os.write(writer, b"%d" % number)

            calls(Pipe())
        finally:
            os._exit(0)
    os.close(writer)
    _pid, status = os.waitpid(child, 0)
    done = os.read(reader, 10)
    os.close(reader)
    return status, done


@pytest.mark.parametrize(("line", "done"), [(0, b""), (1, b""), (2, b""), (3, b"1"), (6, b"12"), (99, b"123")])
def test_a_call_is_crashed_at_the_line_that_was_ordered(trouble, ours, line, done):
    trouble.order("place", "crash", line)
    assert _crashed(trouble, None) == (signal.SIGKILL, done)
    assert trouble.waiting() == []
    assert trouble.taken("place") == (f"crash {line}\n6 lines" if line == 99 else f"crash {line}")
    assert _crashed(trouble, None) == (0, b"123")


def test_lines_can_be_counted_beforehand(trouble, ours):
    trouble.order("place", "count")
    assert _crashed(trouble, None) == (0, b"123")
    assert trouble.taken("place") == "count\n6 lines"


def test_a_call_returns_what_it_returned(trouble):
    assert worker_faults.crashing(trouble, lambda: 7, lambda: ("place",))() == 7
