"""Outages: what is nobody's fault and usually passes, and how a worker waits for the end of one."""

import logging
import threading
from collections.abc import Callable
from typing import TypeVar

from django.db import Error, InterfaceError, OperationalError, close_old_connections
from redis import RedisError

from auravideo.core import storage
from auravideo.core.liveness import progress
from auravideo.core.storage import StorageUnavailable
from workers import pace

logger = logging.getLogger(__name__)

FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 1.0, 30.0
CHECK_SECONDS = 1.0
DATABASE_AWAY = (OperationalError, InterfaceError)  # other errors of a database are bugs, which do not pass
R = TypeVar("R")


def reason_of(error: Exception) -> str | None:
    """Return the ID of the warning that says what a stage waits for; "" if none does, None if this is no outage."""
    if isinstance(error, StorageUnavailable):
        return error.reason
    if isinstance(error, DATABASE_AWAY):
        return ""  # a page cannot show it either
    if isinstance(error, Error):
        return None
    if isinstance(error, ConnectionError | TimeoutError | RedisError):
        return "service-waiting"
    return storage.reason_of(error, of_permissions=False) if isinstance(error, OSError) else None


def persist(move: Callable[[], R], stopping: threading.Event) -> R:
    """Return `move()`, which asks the database, as soon as that answers.

    Raises one of DATABASE_AWAY if it does not before the worker is `stopping`.
    """
    pause = FIRST_PAUSE_SECONDS
    while True:
        try:
            return move()
        except DATABASE_AWAY as error:
            logger.warning("Waiting for the database: %s", str(error).strip())
            close_old_connections()
            progress.expect(pace.floor())
            if stopping.wait(pause):
                raise
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)


class Backoff:
    """Pauses between stages that an outage interrupted: without them, a worker would spin through its queue."""

    def __init__(self) -> None:
        self._next = 0.0

    def reset(self) -> None:
        self._next = 0.0

    def pause(self, stopping: threading.Event) -> None:
        """Wait, twice as long as the last time; not at all if the worker is stopping."""
        self._next = min(2 * self._next or FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS)
        progress.expect(pace.floor())
        stopping.wait(self._next)
