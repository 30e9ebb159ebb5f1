"""The scheduler: Celery beat's schedule, run by one process however many are started.

Each process asks for a lease, a key in Redis that expires unless its holder renews it. The holder sends the scheduled
tasks; the others stand by and take over within LEASE_SECONDS of its death. The lease is in Redis and not in the
database because a scheduler without its broker can do nothing anyway, and because it then works the same with SQLite,
PostgreSQL and a connection pooler, which would break a session's advisory lock.

A holder that was frozen for longer than its lease must not send what the next one sends too. So it checks its own clock
immediately before each message. What could still slip through, a freeze between that check and the message, is
harmless: every scheduled task claims its work by a conditional UPDATE, and may run twice.
"""

import logging
import os
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import redis
from celery import Celery
from celery.beat import ScheduleEntry
from celery.beat import Scheduler as BeatScheduler
from redis.exceptions import LockError
from redis.lock import Lock

logger = logging.getLogger(__name__)

LEASE_KEY = "auravideo:scheduler"
LAST_RUNS_KEY = "auravideo:scheduler:last-runs"
LEASE_SECONDS = 6.0
RENEW_SECONDS = 2.0
MARGIN_SECONDS = 1.0  # the holder stops this long before Redis lets the lease expire
STANDBY_SECONDS = 1.0  # how often the others ask
ANSWER_SECONDS = 3.0  # how long Redis may take to answer


class LeaseLost(Exception):
    """This process no longer holds the lease, so it must not send anything."""


class Lease:
    """The right to schedule.

    Args:
        client: a client of the Redis server that all schedulers share.
        owner: the name of this process, which others see as the holder.
    """

    def __init__(self, client: redis.Redis, owner: str) -> None:
        self._client = client
        self._lock = Lock(client, LEASE_KEY, timeout=LEASE_SECONDS, thread_local=False)
        self._owner = owner
        self._renew_at = self._ends_at = 0.0

    def acquire(self) -> bool:
        """Return whether this process now holds the lease. Raises redis.RedisError if Redis does not answer."""
        asked = _clock()
        if not self._lock.acquire(blocking=False, token=f"{self._owner}:{uuid4().hex}"):
            return False
        self._extend(asked)
        return True

    def keep(self) -> None:
        """Renew the lease if it is time to.

        Raises:
            LeaseLost: it expired, or somebody else holds it.
        """
        asked = _clock()
        if asked >= self._renew_at:
            try:
                self._lock.reacquire()
                self._extend(asked)
            except LockError:
                raise LeaseLost("its lease has ended, and another may have it") from None
            except redis.RedisError as error:  # try again until it expires
                logger.warning("The scheduler's lease cannot be renewed: %s", error)
        self.check()

    def check(self) -> None:
        """Raise LeaseLost unless the lease is certain to be ours at this moment."""
        if _clock() >= self._ends_at:
            raise LeaseLost("its lease has expired")

    def release(self) -> None:
        """Let another scheduler take over at once."""
        self._ends_at = 0.0
        with suppress(redis.RedisError):
            self._lock.release()

    def holder(self) -> str:
        """Return the name of the process that schedules, or ''."""
        return holder(self._client)

    def _extend(self, asked: float) -> None:
        self._renew_at = asked + RENEW_SECONDS
        self._ends_at = asked + LEASE_SECONDS - MARGIN_SECONDS


def holder(client: redis.Redis) -> str:
    """Return the name of the process that schedules, or ''. Raises redis.RedisError if Redis does not answer."""
    token: Any = client.get(LEASE_KEY)
    return token.decode().rpartition(":")[0] if token else ""


def _clock() -> float:
    """Return seconds that also pass while the machine sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Scheduler(BeatScheduler):
    """Celery's scheduler, which sends only while it holds the lease and keeps the last runs where the next one looks.

    Otherwise an hourly task would start its hour again at every restart, and never run where restarts are frequent.
    """

    def __init__(self, app: Celery, lease: Lease, client: redis.Redis) -> None:
        self.lease = lease
        self.client: Any = client  # its methods are typed for both kinds of client, so their results are not usable
        super().__init__(app)

    def setup_schedule(self):
        super().setup_schedule()
        for name, moment in self.client.hgetall(LAST_RUNS_KEY).items():
            entry = self.schedule.get(name.decode())
            if entry is not None:
                entry.last_run_at = datetime.fromtimestamp(float(moment), UTC)

    def apply_entry(self, entry: ScheduleEntry, producer: Any = None) -> None:
        self.lease.check()
        super().apply_entry(entry, producer=producer)
        with suppress(redis.RedisError):
            self.client.hset(LAST_RUNS_KEY, entry.name, time.time())

    def send_task(self, *args: Any, **options: Any) -> Any:
        """Send a task by name. This process imports none, so it does not know that nobody wants their results."""
        return super().send_task(*args, **{**options, "ignore_result": True})


def run(app: Celery, client: redis.Redis, stop: threading.Event, alive: Callable[[], None]) -> None:
    """Stand by, schedule while it is this process's turn, and return soon after `stop` is set.

    Args:
        client: a client of Redis with a timeout.
        alive: called at least every few seconds while Redis answers.
    """
    lease = Lease(client, f"{socket.gethostname()}:{os.getpid()}")
    seen = None
    while not stop.is_set():
        try:
            if lease.acquire():
                seen = None
                logger.info("This process schedules from now on")
                _lead(app, client, lease, stop, alive)
            elif (other := lease.holder()) != seen:
                seen = other
                logger.info("Standing by: %s schedules", other or "nobody")
            alive()
        except redis.RedisError as error:
            logger.warning("Redis does not answer, so nothing is scheduled: %s", error)
        except LeaseLost as reason:
            logger.warning("This process stands by again: %s", reason)
        stop.wait(STANDBY_SECONDS)


def _lead(app: Celery, client: redis.Redis, lease: Lease, stop: threading.Event, alive: Callable[[], None]) -> None:
    """Schedule until `stop` is set. Raises LeaseLost if another process may take over."""
    scheduler = Scheduler(app, lease, client)
    try:
        while not stop.is_set():
            lease.keep()
            alive()
            stop.wait(min(scheduler.tick(), STANDBY_SECONDS))
    finally:
        scheduler.close()
        lease.release()
