"""How long a stage may take until its next sign of progress. Its worker's parent kills it after that (watchdog.py).

A step may take ten times as long as the slowest step of this run so far; the first step as long as a whole stage of
this size has taken here before. Neither is less than `floor()`. Where nothing was measured yet, and while a model is
loaded, `settings.LOAD_WITHIN_SECONDS` count.
"""

import time
from functools import cached_property

from django.conf import settings
from django.db import Error

from auravideo.core.liveness import progress
from auravideo.core.liveness.allowances import floor
from generation.models import StageRun
from generation.queue import estimates

STEP_FACTOR = 10


def loading() -> float:
    """Return the allowance while a model is checked and loaded, and of tasks that are no stages."""
    return max(settings.LOAD_WITHIN_SECONDS, floor())


class Pace:
    """The allowances of one run of a stage."""

    def __init__(self, held: StageRun) -> None:
        self._held = held
        self._slowest = 0.0
        self._stepped: float | None = None
        progress.hold(held.pk)
        self.begin()

    def begin(self) -> None:
        """Note that the stage begins its own work, with whatever it has to check and to load first."""
        progress.expect(loading())

    @cached_property
    def _whole(self) -> float | None:
        try:
            return estimates.slowest_seconds(self._held)
        except Error:  # the database is away; this is no reason to stop
            return None

    def step(self, done: int) -> None:
        """Note that the engine advances. At 0, it begins, maybe again and in another mode."""
        now = time.monotonic()
        if done == 0 or self._stepped is None:
            self._slowest = 0.0
            allowance = self._whole or loading()
        else:
            self._slowest = max(self._slowest, now - self._stepped)
            allowance = STEP_FACTOR * self._slowest
        self._stepped = now
        progress.expect(max(floor(), allowance))

    def move(self) -> None:
        """Note that the stage turns to the storage, or waits for the end of an outage."""
        self._stepped = None if self._stepped is None else time.monotonic()  # the wait is no step
        progress.expect(floor())
