"""Pauses between attempts at something that keeps failing."""

import time
from dataclasses import dataclass


@dataclass
class Backoff:
    """When to try something again that failed: after 1, 2, 4 ... seconds, at most `MOST_SECONDS`."""

    FIRST_SECONDS = 1.0
    MOST_SECONDS = 60.0

    failures: int = 0  # in a row
    due: float = 0.0  # by the monotonic clock

    def fail(self) -> float:
        """Count a failure. Return the pause in seconds."""
        self.failures += 1
        pause = min(self.MOST_SECONDS, self.FIRST_SECONDS * 2 ** min(self.failures - 1, 16))
        self.due = time.monotonic() + pause
        return pause

    @property
    def is_over(self) -> bool:
        """Return whether the pause is over."""
        return time.monotonic() >= self.due
