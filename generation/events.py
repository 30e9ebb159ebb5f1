"""Tell the pages of a person that one of their jobs changed. Redis only delivers: a lost event costs nothing but delay,
since every page gets the full present state when it connects."""

import logging
from uuid import UUID

from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer

log = logging.getLogger(__name__)


def group_of(user_id: int) -> str:
    """The name of a person's own group."""
    return f"user-{user_id}"


def publish(user_id: int, job_id: UUID) -> None:
    """Announce a change of a job to its owner's pages. Never raises: progress is not worth a job."""
    try:
        async_to_sync(get_channel_layer().group_send)(group_of(user_id), {"type": "job.changed", "job": str(job_id)})
    except Exception as error:
        log.warning("An event of job %s could not be delivered: %s", job_id, error)


def hang_up(user_id: int) -> None:
    """Close the sockets of a person who has left. Never raises."""
    try:
        async_to_sync(get_channel_layer().group_send)(group_of(user_id), {"type": "person.left"})
    except Exception as error:
        log.warning("The sockets of person %s could not be closed: %s", user_id, error)
