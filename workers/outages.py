"""What is no fault of a clip and usually passes: outages, whose end a worker waits for, and memory that ran out."""

import errno
import logging
import threading
from collections.abc import Callable
from typing import TypeVar

from django.db import Error, InterfaceError, OperationalError, close_old_connections
from redis import RedisError

from auravideo.core import storage
from auravideo.core.liveness import progress
from auravideo.core.storage import StorageUnavailable
from generation.domain.errors import RenderError
from generation.queue import losses
from workers import cards, pace
from workers.engines.device_errors import is_out_of_memory

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


def memory_reason_of(error: Exception) -> str | None:
    """Return the ID of the error that says whose memory ran out; None if it did not.

    Once an engine has tried its most economical mode, other programs may still leave more room the next time.
    """
    if isinstance(error, RenderError) and error.id == losses.OUT_OF_MEMORY:
        return losses.OUT_OF_MEMORY if cards.is_card() else losses.MACHINE_OUT_OF_MEMORY
    if is_out_of_memory(error) or (isinstance(error, OSError) and error.errno == errno.ENOMEM):
        return losses.MACHINE_OUT_OF_MEMORY
    return None


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
