"""The parts of the site and how each is checked."""

import os
import shutil
from functools import lru_cache
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.files.storage import Storage, storages
from django.db import connection

from auravideo.core import storage as core_storage
from auravideo.health.monitor import LIMIT_SECONDS
from auravideo.server import scheduler
from generation.domain.stages import QUEUES
from generation.queue import broker, roster
from generation.queue.monitoring import failing

MEGABYTE = 10**6


class Unwell(Exception):
    """A part does not work; the message is for the log, the answer, if any, for the page."""

    def __init__(self, message: str, answer: object = None) -> None:
        super().__init__(message)
        self.answer = answer


def database() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return True


def message_broker() -> bool:
    broker.ping()
    return bool(broker.connection().ping())  # with RabbitMQ, the events and the cache still need Redis


def storage() -> bool:
    if settings.S3_BUCKET:
        _s3_client().head_bucket(Bucket=settings.S3_BUCKET)
        return True
    for alias in ("default", "frames"):
        _require_writable(storages[alias])
    return True


def disk() -> dict[str, str]:
    """Return how each folder is that this machine writes to. Raises Unwell unless all are "ok"."""
    states = core_storage.states()
    if any(state != "ok" for state in states.values()):
        raise Unwell("; ".join(_described(name, state) for name, state in states.items() if state != "ok"), states)
    return states


def _described(name: str, state: str) -> str:
    folder = core_storage.folders()[name]
    if state not in ("low", "full"):
        return f"{folder} is {state}"
    free = shutil.disk_usage(folder if folder.exists() else settings.HOME).free // MEGABYTE
    return f"{folder} has {free} MB left, less than AURAVIDEO_MIN_FREE_MB={settings.MIN_FREE_MB}"


def schedule() -> bool:
    if not scheduler.holder(broker.connection()):
        raise Unwell("no scheduler is running")
    return True


def processes() -> bool:
    """Return True if every supervisor can keep its processes running."""
    if found := failing.everywhere():
        raise Unwell("; ".join(map(str, found)))
    return True


def workers() -> dict[str, bool | None]:
    """Return whether each queue has a worker."""
    counts = roster.workers_by_queue()
    return {queue: counts[queue] > 0 for queue in QUEUES}


def _require_writable(storage: Storage) -> None:
    folder = Path(storage.path(""))
    while not folder.exists():  # created with the first file
        folder = folder.parent
    if not os.access(folder, os.W_OK | os.X_OK):
        raise Unwell(f"{folder} is not writable")


@lru_cache(maxsize=1)
def _s3_client() -> Any:
    """Return a client that gives up soon; the storage's own retries for minutes."""
    import boto3  # takes time and memory that a site with local storage need not spend
    from botocore.config import Config

    options = settings.STORAGES["frames"]["OPTIONS"]
    timeouts = {"connect_timeout": LIMIT_SECONDS, "read_timeout": LIMIT_SECONDS, "retries": {"total_max_attempts": 1}}
    return boto3.client(
        "s3",
        endpoint_url=options["endpoint_url"],
        region_name=options["region_name"],
        aws_access_key_id=options["access_key"] or None,
        aws_secret_access_key=options["secret_key"] or None,
        config=Config(
            s3={"addressing_style": options["addressing_style"]},
            signature_version=options["signature_version"],
            **timeouts,
        ),
    )
