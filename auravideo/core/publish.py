"""Publishing of messages after commit; if the broker is down, log it and carry on.

Redis only delivers. The work is already recorded in the database, and a scheduled task finds what was never sent.
"""

import logging
from collections.abc import Callable

from celery import current_app
from django.db import transaction
from kombu.exceptions import OperationalError
from redis import RedisError

logger = logging.getLogger(__name__)

BROKER_ERRORS = (OperationalError, RedisError, OSError)  # the broker is down or unreachable


def send_task(name: str, *args: object, queue: str = "cpu", priority: int | None = None) -> None:
    """Send a task by name and ignore its result; `priority` is the broker's, by default that of the task that sends.

    Raise one of BROKER_ERRORS if the broker is unreachable.
    """
    options = {} if priority is None else {"priority": priority}
    current_app.send_task(name, args=args, queue=queue, ignore_result=True, **options)


def attempt(send: Callable[[], object], what: str) -> bool:
    """Call `send` now. If the broker is down, log that `what` was not sent and return False."""
    try:
        send()
    except BROKER_ERRORS as error:
        logger.warning("The broker is down, so %s could not be sent: %s", what, error)
        return False
    return True


def attempt_on_commit(send: Callable[[], object], what: str, *, robust: bool = False) -> None:
    """Call `attempt` after the current transaction commits, or now if there is none; never after a rollback.

    With `robust`, exceptions from `send` never reach the caller; Django logs them.
    """

    def send_now() -> None:  # not a partial: Django logs the function's name
        attempt(send, what)

    transaction.on_commit(send_now, robust=robust)
