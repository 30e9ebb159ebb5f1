"""Which workers there are, as they announce it themselves: reading this costs the same with one worker or a thousand.

Times are the Redis server's, so the machines' clocks don't matter. Nothing is lost if Redis is wiped: the next
announcement is seconds away.
"""

from collections import Counter
from collections.abc import Iterable

from generation.domain.stages import QUEUES
from generation.queue import broker

ANNOUNCE_SECONDS = 10
ABSENT_SECONDS = 35  # three announcements missed


def announce(worker: str, queues: Iterable[str]) -> None:
    """Record that `worker` serves `queues` now. Raises redis.RedisError if Redis does not answer."""
    now = _now()
    pipe = broker.connection().pipeline(transaction=False)
    for queue in queues:
        pipe.zadd(_key(queue), {worker: now})
        pipe.zremrangebyscore(_key(queue), "-inf", now - ABSENT_SECONDS)
        pipe.expire(_key(queue), ABSENT_SECONDS)
    pipe.execute()


def withdraw(worker: str) -> None:
    """Record that `worker` serves nothing any more. Raises redis.RedisError if Redis does not answer."""
    pipe = broker.connection().pipeline(transaction=False)
    for queue in QUEUES:
        pipe.zrem(_key(queue), worker)
    pipe.execute()


def workers_by_queue() -> Counter[str]:
    """Return the number of workers of every queue. Raises redis.RedisError if Redis does not answer."""
    since = _now() - ABSENT_SECONDS
    pipe = broker.connection().pipeline(transaction=False)
    for queue in QUEUES:
        pipe.zcount(_key(queue), since, "+inf")
    return Counter(dict(zip(QUEUES, pipe.execute(), strict=True)))


def _key(queue: str) -> str:
    return f"auravideo:workers:{queue}"


def _now() -> int:
    """Return the Redis server's time in whole seconds."""
    seconds, _microseconds = broker.connection().time()
    return seconds
