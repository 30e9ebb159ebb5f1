"""Where a clip stopped, kept in the frame store while rendering is paused."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any
from uuid import UUID

from auravideo.core.storage import StorageUnavailable
from generation.domain.errors import Cancelled, Paused
from workers import frame_store

logger = logging.getLogger(__name__)


@contextmanager
def kept(job_id: UUID, patiently: Callable[[Callable[[], Any]], Any]) -> Iterator[bytes | None]:
    """Give the block the checkpoint of a job, if it has one; if the block is paused, store the new one.

    If the block fails, the checkpoint goes: it may be the reason, and the next attempt begins the clip.

    Args:
        patiently: calls a function that reads from the storage, again and again while that does not work.
    """
    checkpoint = patiently(partial(frame_store.read_checkpoint, job_id))
    try:
        yield checkpoint
    except Paused as pause:
        _store(job_id, pause.checkpoint)
        raise
    except Cancelled:
        raise
    except Exception:
        if checkpoint is not None:
            drop(job_id)
        raise


def drop(job_id: UUID) -> None:
    """Delete the checkpoint of a job. If the storage does not work, it goes with the job's frames."""
    try:
        frame_store.delete_checkpoint(job_id)
    except StorageUnavailable as error:
        logger.warning("Could not delete the checkpoint of job %s: %s", job_id, error)


def _store(job_id: UUID, checkpoint: bytes | None) -> None:
    """Store a checkpoint. Don't wait for a storage that does not work: somebody wants the card."""
    if checkpoint is None:
        return
    try:
        frame_store.write_checkpoint(job_id, checkpoint)
    except StorageUnavailable as error:
        logger.warning("The clip of job %s will begin again after the pause: %s", job_id, error)
