"""What work costs, told apart from what else the machine does meanwhile."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_YARD_SECONDS = 0.025  # of processor time for `_yard`, on the machine of docs/performance.md


@contextmanager
def at_most(seconds: float) -> Iterator[None]:
    """Fail if what is done inside takes more processor time, on a machine that is as fast as the measured one.

    A core that is shared with others' virtual machines takes several times as long for the same work, and that counts
    as processor time. So a fixed piece of work before and after it says how slow the core is at the moment.
    """
    before = _yard()
    started = time.process_time()
    yield
    took = time.process_time() - started
    slowness = max(1.0, max(before, _yard()) / _YARD_SECONDS)
    assert took <= seconds * slowness, f"{took:.2f} s, at {slowness:.1f} times the usual cost of anything"


def calls_of(work: Callable[[], object]) -> int:
    """Return how many functions are called meanwhile: a cost that is the same on every machine."""
    calls = 0

    def count(_frame: object, event: str, _argument: object) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        work()
    finally:
        sys.setprofile(before)
    return calls


def _yard() -> float:
    started = time.process_time()
    kept = {}
    for number in range(200_000):
        kept[number % 1000] = str(number)
    return time.process_time() - started
