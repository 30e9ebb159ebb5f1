"""The worker's heartbeat, by which others tell that it is alive.

The worker's event loop asks Redis and, if that answers, touches the file AURAVIDEO_HEARTBEAT_FILE.
A worker that hangs or has lost its broker stops doing so, and workers/healthcheck.py, which a container runs, fails.
The process that runs a stage touches a second file (workers/runner.py), so that a frozen stage is noticed too.
"""

import logging

import redis
from celery import bootsteps
from django.conf import settings

from auravideo.core.liveness import heartbeat
from generation.queue import broker

logger = logging.getLogger(__name__)


class Heartbeat(bootsteps.StartStopStep):
    """The part of a worker that beats, added in workers/tasks.py. It pauses while the worker reconnects."""

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def __init__(self, consumer, **options):
        super().__init__(consumer, **options)
        self._timer = None

    def start(self, consumer):
        self._timer = consumer.timer.call_repeatedly(settings.HEARTBEAT_SECONDS, beat)
        beat()

    def stop(self, consumer):
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def shutdown(self, consumer):
        self.stop(consumer)


def beat() -> None:
    """Touch the worker's file if Redis answers."""
    try:
        broker.connection().ping()
    except redis.RedisError as error:
        logger.warning("Redis does not answer: %s", error)
        return
    heartbeat.beat()
