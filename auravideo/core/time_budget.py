"""Bounds on the processor time that one request may take."""

import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")


class OutOfTime(Exception):
    """The budget is spent."""


class TimeBudget:
    """Processor time of the current thread, so that a busy machine counts against nobody."""

    def __init__(self, seconds: float) -> None:
        self._end = time.thread_time() + seconds

    def over(self, items: Iterable[T]) -> Iterator[T]:
        """Yield the items; raise OutOfTime once the budget is spent."""
        for item in items:
            if time.thread_time() > self._end:
                raise OutOfTime
            yield item
