"""What the broker holds: for which jobs a message is waiting, and whether anybody would read it."""

import base64
import json
import time
from collections import Counter
from collections.abc import Iterator
from functools import lru_cache
from typing import cast

import redis
from django.conf import settings

from auravideo.celery import PRIORITIES, app
from generation.domain.stages import QUEUES, stage_of

# A message that a worker took this long ago and that has claimed no stage belongs to a worker that is gone.
TAKEN_SECONDS = 30


@lru_cache(maxsize=1)
def connection() -> redis.Redis:
    """A client of the broker's database."""
    return redis.Redis.from_url(settings.REDIS_BROKER_URL, socket_timeout=5, socket_connect_timeout=5)


def standing_messages() -> set[tuple[str, int]]:
    """(job id, run) of every message that waits in a queue or was taken by a worker just now.

    Raises redis.RedisError when the broker does not answer.
    """
    return set(_waiting()) | set(_taken())


def live_queues(timeout: float = 1.0) -> set[str]:
    """The names of the queues that a living worker reads; none when the broker does not answer."""
    return set(live_workers(timeout))


def live_workers(timeout: float = 1.0) -> Counter[str]:
    """How many living workers read each queue; none when the broker does not answer. Waits for `timeout` seconds."""
    try:
        connection().ping()
    except redis.RedisError:
        return Counter()
    answers = app.control.inspect(timeout=timeout).active_queues() or {}
    return Counter(queue["name"] for queues in answers.values() for queue in queues)


def depths() -> dict[str, int]:
    """How many messages wait in each queue. Raises redis.RedisError when the broker does not answer."""
    pipe = connection().pipeline(transaction=False)
    for queue in QUEUES:
        for key in _keys(queue):
            pipe.llen(key)
    lengths = iter(pipe.execute())
    return {queue: sum(next(lengths) for _key in _keys(queue)) for queue in QUEUES}


def _keys(queue: str) -> list[str]:
    """The lists in which a queue's messages wait, by priority."""
    return [f"{queue}:{priority}" if priority else queue for priority in range(PRIORITIES)]


def _waiting() -> Iterator[tuple[str, int]]:
    for queue in QUEUES:
        for key in _keys(queue):
            for raw in connection().lrange(key, 0, -1):
                yield from _job_of(json.loads(raw))


def _taken() -> Iterator[tuple[str, int]]:
    since = time.time() - TAKEN_SECONDS
    recent = cast(list[bytes], connection().zrangebyscore("unacked_index", since, "+inf"))
    for raw in connection().hmget("unacked", recent) if recent else ():
        if raw:
            yield from _job_of(json.loads(raw)[0])


def _job_of(message: dict) -> Iterator[tuple[str, int]]:
    """(job id, run) of a stage's message; nothing for the other tasks. Celery's body is [args, kwargs, embed]."""
    if stage_of(message.get("headers", {}).get("task", "")) is None:
        return
    body = message["body"]
    if message["properties"].get("body_encoding") == "base64":
        body = base64.b64decode(body)
    job_id, run, _chunk = json.loads(body)[0]
    yield str(job_id), int(run)
