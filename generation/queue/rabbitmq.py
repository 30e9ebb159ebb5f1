"""RabbitMQ as the broker (BROKER_URL): what differs from Redis. See docs/scaling.md."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from auravideo.celery import PRIORITIES, QUORUM, app
from generation.domain.memory_classes import with_classes
from generation.domain.stages import QUEUES

CONNECT_SECONDS = 5


def ping() -> None:
    """Raise OperationalError if the broker is unavailable."""
    with _channel():
        pass


def depths() -> dict[str, int]:
    """Return the number of messages ready in each stage's queue, with its memory classes.

    Messages that a worker holds do not count. Raises OperationalError if the broker is unavailable.
    """
    with _channel() as channel:
        return {queue: sum(_ready(channel, name) for name in with_classes(queue)) for queue in QUEUES}


def wire_priority(priority: int) -> int:
    """Return the priority that RabbitMQ serves in the order of ours, in which 0 is first.

    Quorum queues have no priorities before RabbitMQ 4, and two levels since: from 5, and below.
    """
    return PRIORITIES - 1 - priority


def _ready(channel: Any, name: str) -> int:
    """Declare a queue, which does nothing if it exists, and return its number of ready messages."""
    return channel.queue_declare(queue=name, durable=True, auto_delete=False, arguments=QUORUM).message_count


@contextmanager
def _channel() -> Iterator[Any]:
    with app.connection_for_read(connect_timeout=CONNECT_SECONDS) as connection:
        connection.ensure_connection(max_retries=1, interval_start=0)
        yield connection.default_channel
