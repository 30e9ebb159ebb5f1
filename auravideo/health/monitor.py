"""Checks that are bounded in time and shared: strangers may ask as often as they like without causing load.

Each check runs in a thread of its own, of which there is never more than one, and its answer serves everybody for a few
seconds. A check that hangs counts as failed until its thread ends.
"""

import logging
import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

from django.db import connections

logger = logging.getLogger(__name__)

FRESH_SECONDS = 5.0
LIMIT_SECONDS = 2.0  # how long a check may take, and anybody waits
STALE_SECONDS = 30.0  # while somebody else waits for a new answer, the last one serves for this long

Answer = TypeVar("Answer")


class Monitor(Generic[Answer]):
    """One check and its last answer.

    Args:
        name: the part's name in the log.
        check: returns the answer; may raise anything, even with an `answer` of its own.
        failed: the answer if it raises or takes longer than LIMIT_SECONDS.
        starts_within: seconds from now in which the part may not be there yet, which is no news for the log.
    """

    def __init__(self, name: str, check: Callable[[], Answer], failed: Answer, *, starts_within: float = 0.0) -> None:
        self.name = name
        self._starts_until = time.monotonic() + starts_within
        self._check = check
        self._failed = failed
        self._last = failed
        self._started = self._answered = float("-inf")
        self._is_running = self._is_awaited = False
        self._is_failing = self._has_passed = False
        self._lock = threading.Lock()
        self._done = threading.Event()

    def refresh(self) -> None:
        """Start the check unless it is running or its answer is fresh."""
        with self._lock:
            now = time.monotonic()
            if self._is_running or now - self._answered < FRESH_SECONDS:
                return
            self._is_running, self._is_awaited, self._started = True, False, now
            self._done.clear()
        threading.Thread(target=self._run, name=f"health-{self.name}", daemon=True).start()

    def answer(self) -> Answer:
        """Return the answer to the last `refresh`. While one caller waits for it, others get the answer before it."""
        with self._lock:
            now = time.monotonic()
            remaining = self._started + LIMIT_SECONDS - now
            has_answer = now - self._answered < STALE_SECONDS
            if not self._is_running or (remaining > 0 and has_answer and self._is_awaited):
                return self._last
            self._is_awaited = True
        if self._done.wait(max(0.0, remaining)):
            return self._last
        self._note(f"no answer within {LIMIT_SECONDS:.0f} s")
        return self._failed

    def _run(self) -> None:
        try:
            answer, reason = self._check(), ""
        except Exception as error:  # whatever it is, the part is not well
            answer, reason = getattr(error, "answer", None) or self._failed, f"{type(error).__name__}: {error}"
        finally:
            connections.close_all()  # this thread's own
        self._note(reason)
        with self._lock:
            self._last, self._answered, self._is_running = answer, time.monotonic(), False
        self._done.set()

    def _note(self, reason: str) -> None:
        """Log when the check begins to fail, and why, and when that is over. The page does not tell."""
        is_starting = not self._has_passed and time.monotonic() < self._starts_until
        self._has_passed |= not reason
        if bool(reason) == self._is_failing or (reason and is_starting):
            return
        self._is_failing = bool(reason)
        if reason:
            logger.warning("The health check of the %s failed: %s", self.name, reason)
        else:
            logger.info("The health check of the %s passes again", self.name)
