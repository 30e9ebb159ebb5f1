"""The thread with which each process reports: it ships the counts and says that the process is alive."""

import atexit
import logging
import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress

import redis
from django.core.exceptions import ImproperlyConfigured

from auravideo.core.metrics import presence, totals

logger = logging.getLogger(__name__)

PERIOD = 5.0  # seconds
SETTLE = 0.2  # seconds from `soon` to the report: its thread must not get in the way of the next stage's message

_wake = threading.Event()
_reporter: "_Reporter | None" = None


def start(kind: str | None = None, websockets: Callable[[], int] = lambda: 0) -> None:
    """Report from now on, every `PERIOD` seconds and on exit.

    Args:
        kind: what this process is (presence.WEB, WORKER, SCHEDULER); None for one that only counts: a worker's child.
        websockets: returns how many are open.
    """
    global _reporter, _wake
    _wake = threading.Event()  # not the one of the parent, whose thread may have held its lock at the fork
    _reporter = _Reporter(kind, websockets)
    _reporter.start()


def soon() -> None:
    """Report within `SETTLE` instead of `PERIOD`. Costs nothing; does nothing in a process that does not report."""
    _wake.set()


@atexit.register
def finish() -> None:
    """Report a last time, and that this process leaves."""
    if _reporter is not None and _reporter.pid == os.getpid():  # a child inherits its parent's exit handlers
        _reporter.finish()
    elif _reporter is None:  # a command, which may have queued jobs
        with suppress(redis.RedisError, ImproperlyConfigured):
            totals.ship()


class _Reporter(threading.Thread):
    def __init__(self, kind: str | None, websockets: Callable[[], int]) -> None:
        super().__init__(name="metrics", daemon=True)
        self.kind, self.websockets = kind, websockets
        self.pid = os.getpid()
        self.is_failing = False
        self.has_left = False

    def run(self) -> None:
        while not self.has_left:
            self._report()
            if _wake.wait(PERIOD):
                time.sleep(SETTLE)
            _wake.clear()

    def _report(self) -> None:
        try:
            if self.kind is not None:  # first: `serve` ends a worker that does not
                presence.announce(presence.this_process(self.kind, self.websockets))
            totals.ship()
        except Exception as error:  # nothing may stop the reports; the next one may succeed
            if not self.is_failing:
                logger.warning("Metrics cannot be reported, trying again every %g s: %s", PERIOD, error)
            self.is_failing = True
        else:
            self.is_failing = False

    def finish(self) -> None:
        if self.has_left:
            return
        self.has_left = True
        try:
            totals.ship()
            if self.kind is not None:
                presence.leave(self.kind)
        except redis.RedisError as error:
            logger.info("The last metrics of this process are lost: %s", error)
