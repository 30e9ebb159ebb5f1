"""Logs what every request would log again, once a minute in each process."""

import logging
import time

SECONDS = 60.0


class OnceAMinute:
    """Logs warnings of one kind, but none within a minute of the last."""

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger
        self._next = 0.0

    def warning(self, text: str, *values: object) -> None:
        now = time.monotonic()
        if now >= self._next:
            self._next = now + SECONDS
            self._logger.warning(text, *values)
