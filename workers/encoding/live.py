"""The live preview of a clip that is being generated, encoded and stored while its next steps are computed."""

import logging
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Self
from uuid import UUID

import numpy as np
from django.db import close_old_connections, connection

from auravideo.core.logs import ids
from workers import frame_store, media
from workers.engines.base import Preview

logger = logging.getLogger(__name__)

PREVIEW_SECONDS = 0.7
TELL_AGAIN_SECONDS = (0.01, 0.05, 0.2, 0.5)
NO_PREVIEW_SECONDS = 60  # after one that could not be stored: each attempt may take long


class LivePreview:
    """Shows previews of one job, one at a time, on a thread. Entered around a stage: after it, nothing is stored.

    Args:
        told: called on that thread once a preview is stored; may use the database.
    """

    def __init__(self, job_id: UUID, told: Callable[[], None]) -> None:
        self._job_id, self._told = job_id, told
        self._next = 0.0
        self._pool: ThreadPoolExecutor | None = None
        self._current: Future[None] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        if self._pool is not None:
            self._pool.submit(connection.close)
            self._pool.shutdown()

    def offer(self, preview: Preview) -> bool:
        """Compute a preview, here, and show it, unless the last one is recent or not stored yet. Return whether it is.

        Raises what `preview` raises.
        """
        if time.monotonic() < self._next or (self._current is not None and not self._current.done()):
            return False
        frames = preview()
        self._next = time.monotonic() + PREVIEW_SECONDS
        pool = self._pool or ThreadPoolExecutor(1, thread_name_prefix="live-preview")
        try:
            self._current = pool.submit(ids.in_this_context(lambda: self._show(frames)))
        except RuntimeError as error:  # a process may have only so many threads
            self._give_up(error)
            return False
        self._pool = pool
        return True

    def _show(self, frames: np.ndarray) -> None:
        try:
            frame_store.write_preview(self._job_id, media.animated_preview(frames))
        except Exception as error:  # a failed preview must not fail the job
            self._give_up(error)
        else:
            self._tell()

    def _give_up(self, error: Exception) -> None:
        """Show no preview for a while."""
        self._next = time.monotonic() + NO_PREVIEW_SECONDS
        logger.warning("Could not store a preview of job %s: %s", self._job_id, error)

    def _tell(self) -> None:
        """Call `told`, a few times if the database is locked or away: the stage uses it at the same time."""
        for pause in TELL_AGAIN_SECONDS:
            try:
                self._told()
            except Exception as error:
                close_old_connections()
                logger.info("A preview of job %s is not shown yet: %s", self._job_id, error)
                time.sleep(pause)
            else:
                return
