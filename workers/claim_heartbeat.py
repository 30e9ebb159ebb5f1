"""The heartbeat of a claim, by which the sweep tells that its worker is alive. It says nothing about progress."""

import logging
import threading

from django.conf import settings
from django.db import close_old_connections, connection

from auravideo.core.liveness import heartbeat
from auravideo.core.logs import ids
from generation.models import StageRun
from generation.queue import claims

logger = logging.getLogger(__name__)


class Heartbeat:
    """A thread that keeps a claim alive while a model loads or during a long step."""

    def __init__(self, held: StageRun) -> None:
        self.held = held
        self._end = threading.Event()
        self._thread = threading.Thread(target=ids.in_this_context(self._beat), name="heartbeat", daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_error: object) -> None:
        self._end.set()
        self._thread.join()
        heartbeat.end_stage()

    def _beat(self) -> None:
        try:
            heartbeat.beat_stage()
            while not self._end.wait(settings.HEARTBEAT_SECONDS):
                heartbeat.beat_stage()
                try:
                    claims.beat(self.held)
                except Exception as error:  # the next beat may succeed
                    logger.warning("Missed a heartbeat of %s: %s", self.held, error)
                    close_old_connections()
        finally:
            connection.close()
