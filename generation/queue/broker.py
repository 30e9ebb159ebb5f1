"""The state of the broker: which jobs have a message waiting, and which queues have a live worker.

The broker is Redis, or RabbitMQ if BROKER_URL is set.
"""

import base64
import json
import time
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from typing import cast

import redis
from django.conf import settings
from django.db.models.functions import Now
from redis.backoff import NoBackoff
from redis.retry import Retry

from auravideo.celery import PRIORITIES, SENT_AT, app
from auravideo.core import publish
from generation.domain.memory_classes import base_of, with_classes
from generation.domain.stages import QUEUES, STAGES, stage_of
from generation.domain.states import Stage
from generation.models import Job
from generation.queue import rabbitmq, turns

HELD_SECONDS = 600
ASKED_SECONDS = 5
# If a message was taken this long ago and its stage is still unclaimed, the worker is gone.
TAKEN_SECONDS = 30


@lru_cache(maxsize=1)
def connection() -> redis.Redis:
    """Return a client for Redis as the broker."""
    return redis.Redis.from_url(settings.REDIS_BROKER_URL, socket_timeout=5, socket_connect_timeout=5)


def ping() -> None:
    """Raise one of publish.BROKER_ERRORS if the broker is unavailable."""
    if settings.BROKER_URL:
        rabbitmq.ping()
    else:
        connection().ping()


def is_away() -> bool:
    """Return whether Redis does not answer, for pages: asked every few seconds, and given up soon."""
    return _is_away(settings.REDIS_BROKER_URL, int(time.monotonic() // ASKED_SECONDS))


@lru_cache(maxsize=1)
def _is_away(url: str, _tick: int) -> bool:
    once = Retry(NoBackoff(), 0)
    try:
        with redis.Redis.from_url(url, socket_timeout=1, socket_connect_timeout=1, retry=once) as client:
            client.ping()
    except redis.RedisError:
        return True
    return False


def wire_priority(priority: int) -> int:
    """Return a priority as the broker counts it; 0, the first to be served, is ours."""
    return rabbitmq.wire_priority(priority) if settings.BROKER_URL else priority


def without_message(jobs: Sequence[Job]) -> list[Job]:
    """Return those of some quiet jobs that have no message, so that nobody would continue them.

    RabbitMQ lets nobody look at waiting messages. There, a job has none if the queues of all its stages are empty and
    it was quiet for `HELD_SECONDS`, during which a busy worker may hold its message.

    Raises one of publish.BROKER_ERRORS if the broker is unavailable.
    """
    if not settings.BROKER_URL:
        messages = standing()
        known = {(message.job, message.run) for message in messages}
        tickets = Counter(message.queue for message in messages if message.stage is Stage.GENERATE)
        return turns.without_ticket([job for job in jobs if (str(job.pk), job.run) not in known], tickets)
    waiting = {queue for queue, count in rabbitmq.depths().items() if count}
    quiet = Job.objects.filter(touched_at__lt=Now() - timedelta(seconds=HELD_SECONDS))
    found = quiet.in_bulk([job.pk for job in jobs])
    return [job for job in jobs if job.pk in found and not waiting & _queues(job)]


def _queues(job: Job) -> set[str]:
    stages = (job.plan or {}).get("stages", STAGES)
    return {STAGES[Stage(name)].queue for name in stages}


@dataclass(frozen=True)
class Message:
    """A message for one stage of a job, in the queue of that name."""

    queue: str
    stage: Stage
    job: str
    run: int


def standing() -> list[Message]:
    """Return every message of a stage that is queued or was taken in the last `TAKEN_SECONDS`.

    Raises redis.RedisError if the broker is unavailable.
    """
    return [*_waiting(), *_taken()]


def standing_messages() -> set[tuple[str, int]]:
    """Return (job ID, run) of every message in `standing`."""
    return {(message.job, message.run) for message in standing()}


def live_queues(timeout: float = 1.0) -> set[str]:
    """Return the names of the queues with a live worker; empty if the broker is unavailable."""
    return set(live_workers(timeout))


def answering(workers: Sequence[str], timeout: float = 1.0) -> set[str]:
    """Return those of the named workers that answer within `timeout` seconds; none if the broker is unavailable."""
    try:
        connection().ping()
    except redis.RedisError:
        return set()
    answers = app.control.ping(destination=list(workers), timeout=timeout) or []
    return {name for answer in answers for name in answer}


def live_workers(timeout: float = 1.0) -> Counter[str]:
    """Return the number of live workers per queue, empty if the broker is down. Waits up to `timeout` seconds."""
    try:
        ping()
    except publish.BROKER_ERRORS:
        return Counter()
    answers = app.control.inspect(timeout=timeout).active_queues() or {}
    return Counter(name for queues in answers.values() for name in {base_of(queue["name"]) for queue in queues})


def nudge(names: Collection[str]) -> None:
    """Make workers look at the roster now. If the broker is down, they look at their next heartbeat anyway."""
    with suppress(*publish.BROKER_ERRORS):
        ping()  # fail fast; Celery would retry for many seconds
        app.control.broadcast("look_at_roster", destination=list(names))


def depths() -> dict[str, int]:
    """Return the number of messages in each stage's queue, with its memory classes.

    Raises one of publish.BROKER_ERRORS if the broker is unavailable.
    """
    if settings.BROKER_URL:
        return rabbitmq.depths()
    pipe = connection().pipeline(transaction=False)
    for queue in QUEUES:
        for key in _keys(queue):
            pipe.llen(key)
    lengths = iter(pipe.execute())
    return {queue: sum(next(lengths) for _key in _keys(queue)) for queue in QUEUES}


def oldest() -> dict[str, float]:
    """Return the age in seconds of each queue's oldest waiting message; 0 for an empty queue.

    Looks at one message per memory class and priority, however many wait. Empty with RabbitMQ, which shows nobody its
    waiting messages. Raises redis.RedisError if the broker is unavailable.
    """
    if settings.BROKER_URL:
        return {}
    pipe = connection().pipeline(transaction=False)
    for queue in QUEUES:
        for key in _keys(queue):
            pipe.lindex(key, -1)  # messages are pushed on the left and taken from the right
    heads = iter(pipe.execute())
    now = time.time()
    return {queue: max(_age(next(heads), now) for _key in _keys(queue)) for queue in QUEUES}


def _age(raw: bytes | None, now: float) -> float:
    """Return a message's age. One sent by the version before says nothing of it and counts as new."""
    return max(0.0, now - json.loads(raw).get("headers", {}).get(SENT_AT, now)) if raw else 0.0


def _keys(queue: str) -> list[str]:
    """Return the Redis lists that hold a queue's messages, one per memory class and priority."""
    return [
        f"{name}:{priority}" if priority else name for name in with_classes(queue) for priority in range(PRIORITIES)
    ]


def _waiting() -> Iterator[Message]:
    for queue in QUEUES:
        for key in _keys(queue):
            for raw in connection().lrange(key, 0, -1):
                yield from _read(json.loads(raw), key.partition(":")[0])


def _taken() -> Iterator[Message]:
    """Yield what was taken lately. Workers note when by their own clocks; one that is ahead must not hide its death."""
    now, _microseconds = connection().time()
    recent = cast(list[bytes], connection().zrangebyscore("unacked_index", now - TAKEN_SECONDS, now + TAKEN_SECONDS))
    for raw in connection().hmget("unacked", recent) if recent else ():
        if raw:
            message, _exchange, queue = json.loads(raw)
            yield from _read(message, queue)


def _read(message: dict, queue: str) -> Iterator[Message]:
    """Yield the message of a stage; nothing for other tasks. A Celery body is [args, kwargs, embed]."""
    stage = stage_of(message.get("headers", {}).get("task", ""))
    if stage is None:
        return
    body = message["body"]
    if message["properties"].get("body_encoding") == "base64":
        body = base64.b64decode(body)
    job_id, run, _chunk = json.loads(body)[0]
    yield Message(queue, stage, str(job_id), int(run))
