"""Mend `time.sleep` under libfaketime 0.9.10; every Python process runs this at its start (tests/rigs/skewed_clock.py).

Python sleeps until a moment of the monotonic clock (clock_nanosleep with TIMER_ABSTIME), which the library mistakes for
one of the wall clock: every sleep raises EINVAL. Waiting for nothing in select() takes a length of time instead.
"""

import select
import time


def sleep(seconds: float) -> None:
    select.select([], [], [], seconds)


time.sleep = sleep
