"""Send messages to the broker once what they are about is committed; when the broker is down, log it and go on.

Redis only delivers. What a message asks for is already in the database, and a scheduled task finds what was not sent.
"""

import logging
from collections.abc import Callable

from celery import current_app
from django.db import transaction
from kombu.exceptions import OperationalError
from redis import RedisError

logger = logging.getLogger(__name__)

BROKER_ERRORS = (OperationalError, RedisError, OSError)  # the broker is down or unreachable


def send_task(name: str, *args: object, queue: str = "cpu") -> None:
    """Send one message by the name of its task, whose result nobody waits for. Raises one of BROKER_ERRORS."""
    current_app.send_task(name, args=args, queue=queue, ignore_result=True)


def attempt(send: Callable[[], object], what: str) -> bool:
    """Call `send`, which sends `what`, now. Return False, and log it, when the broker is down."""
    try:
        send()
    except BROKER_ERRORS as error:
        logger.warning("The broker is down, so %s could not be sent: %s", what, error)
        return False
    return True


def attempt_on_commit(send: Callable[[], object], what: str, *, robust: bool = False) -> None:
    """`attempt` once the current transaction is committed, or now if there is none; not at all after a rollback.

    With `robust`, no error of `send` whatsoever reaches the caller; Django logs it.
    """

    def send_now() -> None:  # a function, because Django names it when it logs, and a partial has no name
        attempt(send, what)

    transaction.on_commit(send_now, robust=robust)
