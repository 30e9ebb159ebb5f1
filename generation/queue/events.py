"""Tell the pages of a person that one of their jobs changed. Redis only delivers: a lost event costs nothing but delay,
since every page gets the full present state when it connects."""

import logging
from collections.abc import Sequence
from uuid import UUID

from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer

log = logging.getLogger(__name__)

JOBS_A_MESSAGE = 200


def group_of(user_id: int) -> str:
    """The name of a person's own group."""
    return f"user-{user_id}"


def publish(user_id: int, *job_ids: UUID) -> None:
    """Announce a change of jobs to their owner's pages. Never raises: progress is not worth a job."""
    _send(user_id, {"type": "jobs.changed", "jobs": [str(job_id) for job_id in job_ids]})


def publish_all(user_id: int, job_ids: Sequence[UUID]) -> None:
    """Announce a change of however many jobs, in messages of a bounded size."""
    for start in range(0, len(job_ids), JOBS_A_MESSAGE):
        publish(user_id, *job_ids[start : start + JOBS_A_MESSAGE])


def hang_up(user_id: int) -> None:
    """End the connections of a person's pages; those that may still listen come back by themselves."""
    _send(user_id, {"type": "session.ended"})


def cut_off(user_id: int) -> None:
    """End the connections of the pages of a person who has left, for good."""
    _send(user_id, {"type": "person.left"})


def _send(user_id: int, message: dict[str, object]) -> None:
    try:
        layer = get_channel_layer()
        if layer is None:
            raise RuntimeError("no channel layer is configured")
        async_to_sync(layer.group_send)(group_of(user_id), message)
    except Exception as error:
        log.warning("An event for user %s could not be delivered: %s: %s", user_id, message, error)
