"""A rig: a wall clock that is ahead or behind for one Python process and its children, by libfaketime.

Only what tells the date is shifted. Monotonic clocks stay true, and so do sleeps and timeouts, as on a machine whose
clock is set wrong. The clock is not shifted while the process runs: of leaps, this shows nothing.
"""

import functools
import glob
from pathlib import Path

import pytest

_MENDED = Path(__file__).with_name("with_skewed_clock")  # what the library breaks
_PLACES = ("/usr/lib/*/faketime/libfaketimeMT.so.1", "/usr/lib/faketime/libfaketimeMT.so.1")


@functools.cache
def library() -> Path | None:
    """Return the library, in its form for threads; None if it is not installed."""
    return next((Path(path) for pattern in _PLACES for path in sorted(glob.glob(pattern))), None)


def skewed(seconds: int) -> dict[str, str]:
    """Return the environment variables of a process whose clock is so much ahead, or behind if negative.

    Skips the test if libfaketime is not installed.
    """
    found = library()
    if found is None:
        pytest.skip("needs libfaketime: sudo apt-get install faketime")
    return {
        "LD_PRELOAD": str(found),
        "FAKETIME": f"{seconds:+d}s",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "DONT_FAKE_MONOTONIC": "1",  # its name before version 0.9.10
        "NO_FAKE_STAT": "1",  # files have the moments of the machine that stores them
        "PYTHONPATH": str(_MENDED),
    }
