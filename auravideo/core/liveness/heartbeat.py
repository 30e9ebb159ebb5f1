"""The file that tells a container's health check (workers/healthcheck.py) that its process is alive."""

import logging
import os
from pathlib import Path

from django.conf import settings

from auravideo.core import files

logger = logging.getLogger(__name__)

STAGE_SUFFIX = ".stage"


def beat() -> None:
    """Touch AURAVIDEO_HEARTBEAT_FILE, if it is set."""
    _touch("", "")


def beat_stage() -> None:
    """Touch the file of the stage that this process runs. It names the process, in case that is killed."""
    _touch(STAGE_SUFFIX, str(os.getpid()))


def end_stage() -> None:
    """Remove the file of the stage."""
    if settings.HEARTBEAT_FILE:
        Path(settings.HEARTBEAT_FILE + STAGE_SUFFIX).unlink(missing_ok=True)


def _touch(suffix: str, content: str) -> None:
    if not settings.HEARTBEAT_FILE:
        return
    path = Path(settings.HEARTBEAT_FILE + suffix)
    try:
        with files.replacing(path) as part:  # whoever looks meanwhile sees a whole file
            part.write_text(content, encoding="utf-8")
    except OSError as error:
        logger.error("The heartbeat file %s cannot be written: %s", path, error.strerror)
