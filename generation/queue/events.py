"""Events that tell a user's open pages about changed jobs.

Redis is only the transport. A lost event merely delays an update: every page gets the full state when it connects.
"""

import logging
from collections.abc import Sequence
from functools import lru_cache
from typing import Any
from uuid import UUID

import redis
from channels.layers import get_channel_layer
from django.conf import settings
from redis.backoff import NoBackoff
from redis.retry import Retry

logger = logging.getLogger(__name__)

JOBS_A_MESSAGE = 200
_CHANNEL = "asgi__group__{}"  # RedisPubSubChannelLayer's name of a group
_TIMEOUT = 2  # seconds; an event is not worth waiting for


def group_of(user_id: int) -> str:
    """Return the name of a user's channel group."""
    return f"user-{user_id}"


def publish(user_id: int, *job_ids: UUID) -> None:
    """Announce changed jobs to their owner's pages. Never raises: a lost event must not fail a job."""
    _send(user_id, {"type": "jobs.changed", "jobs": [str(job_id) for job_id in job_ids]})


def publish_all(user_id: int, job_ids: Sequence[UUID]) -> None:
    """Announce any number of changed jobs, in messages of at most `JOBS_A_MESSAGE` each."""
    for start in range(0, len(job_ids), JOBS_A_MESSAGE):
        publish(user_id, *job_ids[start : start + JOBS_A_MESSAGE])


def hang_up(user_id: int) -> None:
    """Close the connections of a user's pages; those still allowed to listen reconnect by themselves."""
    _send(user_id, {"type": "session.ended"})


def cut_off(user_id: int) -> None:
    """Close the connections of a user who closed their account, for good."""
    _send(user_id, {"type": "person.left"})


def _send(user_id: int, message: dict[str, object]) -> None:
    """Publish what the channel layer's `group_send` would.

    Called from synchronous code, `group_send` starts a thread, an event loop and a connection for every message. That
    was a fifth of a worker's time between stages.
    """
    try:
        layer: Any = get_channel_layer()
        if layer is None:
            raise RuntimeError("no channel layer is configured")
        _connection().publish(_CHANNEL.format(group_of(user_id)), layer.serialize(message))
    except Exception as error:
        logger.warning("Could not deliver an event to user %s: %s: %s", user_id, message, error)


@lru_cache(maxsize=1)
def _connection() -> redis.Redis:
    again = Retry(NoBackoff(), 1)  # a connection that Redis closed is noticed by using it
    return redis.Redis.from_url(
        settings.REDIS_EVENTS_URL, socket_timeout=_TIMEOUT, socket_connect_timeout=_TIMEOUT, retry=again
    )
