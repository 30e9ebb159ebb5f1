"""Handing a card on: what a worker gives back after each stage, and after a while without work.

Where several workers share a small card, each leaves it to the next: torch's weights wait in main memory. TensorFlow
never gives back what it took, so its process is replaced. Nothing is unloaded where there is room for all. While
rendering is paused, no worker keeps anything: models are released at once, and then their processes are replaced.
"""

import logging
import os
import signal
import time
from collections.abc import Callable, Collection
from typing import Any

from celery import bootsteps
from celery.worker import state as worker_state
from django.conf import settings
from django.db import Error, connection

from auravideo.core.computing.libraries import Library, film_library
from generation.domain.memory_classes import GB
from generation.domain.stages import STAGES
from generation.domain.states import Stage
from generation.queue import roster
from generation.queue.pausing import state
from workers import cards, membership
from workers.engines import registry
from workers.engines.memory import free_cache

logger = logging.getLogger(__name__)

SMALL_BYTES = 12 * GB  # less than a "12 GB" card has: too small for the three models side by side
HANDED_ON_SECONDS = 2.0  # without work, after which TensorFlow's process leaves a small card
CHECK_SECONDS = 1.0
# Ignored by whoever does not listen to it, and used by nobody else here: Celery and billiard take most of the others.
UNLOAD_SIGNAL = signal.SIGURG


def after_stage() -> None:
    """Give back what this process holds of its card and does not need now."""
    if _is_paused():
        registry.release_all("rendering is paused")
        return
    if not cards.is_card():
        return
    if is_tight():
        registry.park_all()
    free_cache()


def _is_paused() -> bool:
    try:
        return state.is_on()
    except Error as error:
        logger.warning("Could not see whether rendering is paused: %s", error)
        return False


def is_tight() -> bool:
    """Return whether this worker's card is small and, as far as the roster tells, also that of another worker."""
    me, card = membership.me, cards.device()
    if me is None or not cards.is_card() or card.total >= SMALL_BYTES:
        return False
    try:
        return roster.neighbours(me.name, membership.boot(), card.name)
    except Error as error:
        logger.warning("Could not see who shares the card: %s", error)
        return False


def hands_card_on(serves: Collection[str]) -> bool:
    """Return whether a worker of these queues ends its process when it has no work, to leave the card to others.

    That is for TensorFlow, which keeps what it took; torch gives it back after each stage.
    """
    if STAGES[Stage.INTERPOLATE].queue not in serves:
        return False
    return film_library(settings.FILM, cards.capability()) is Library.TENSORFLOW and is_tight()


class Unloader(bootsteps.StartStopStep):
    """Replaces children that hold models and have had no work for a while; a new child holds nothing.

    The parent does it, because only it knows that no message is on its way to a child.
    """

    requires = {"celery.worker.components:Timer", "celery.worker.components:Pool"}

    def __init__(self, worker: Any, **options: Any) -> None:
        self.entry: Any = None
        self.pool: Any = None
        self.idle_since: float | None = None
        super().__init__(worker, **options)

    def start(self, worker: Any) -> None:
        self.pool = worker.pool
        self.entry = worker.timer.call_repeatedly(CHECK_SECONDS, self.look)

    def stop(self, worker: Any) -> None:
        if self.entry is not None:
            self.entry.cancel()

    def look(self) -> None:
        """Replace the children if their time without work is up."""
        if membership.me is None or not membership.me.holds.value or worker_state.reserved_requests:
            self.idle_since = None
            return
        now = time.monotonic()
        self.idle_since = self.idle_since or now
        if not self._is_up(membership.me, now - self.idle_since):
            return
        self.idle_since, membership.me.holds.value = None, 0
        for pid in self.pool.info["processes"]:
            logger.info("Unloading the models of process %s, which has nothing to do", pid)
            os.kill(pid, UNLOAD_SIGNAL)

    def _is_up(self, me: membership.Membership, idle: float) -> bool:
        """Return whether a worker has held models without work for long enough, given the seconds so far."""
        if me.is_paused:
            return True
        if settings.UNLOAD_AFTER_SECONDS and idle >= settings.UNLOAD_AFTER_SECONDS:
            return True
        if idle < HANDED_ON_SECONDS:
            return False
        try:
            return hands_card_on(me.serves)
        finally:
            connection.close()  # children are forked from this process and must not share its connection


class Unloading:
    """A child's answer to UNLOAD_SIGNAL: it ends, unless a message was quicker."""

    def __init__(self, before: Callable[[], None]) -> None:
        self.is_busy = False
        self._before = before

    def listen(self) -> None:
        """Answer the signal from now on."""
        signal.signal(UNLOAD_SIGNAL, self._answer)

    def _answer(self, *_signal: object) -> None:
        if not self.is_busy:
            self._before()
            os._exit(0)  # at once: while it waited for anything, its parent could hand it a message
