"""Atomic sliding-window counters in Redis, for limits that parallel requests must not slip through."""

import hashlib
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import redis
from django.conf import settings

# Of IPv6, the largest network that providers give a customer: ten shares of what is scarce must not be had for nothing.
SHARED_IPV6_PREFIX = 48

# Counts in every bucket, or in none if one is full, whose number (from 1) it returns. The time is that of Redis: the
# clocks of several web machines differ.
_TAKE = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
for number, key in ipairs(KEYS) do
  redis.call('ZREMRANGEBYSCORE', key, '-inf', now - ARGV[2 * number + 1] * 1000)
  if redis.call('ZCARD', key) >= tonumber(ARGV[2 * number]) then return number end
end
for number, key in ipairs(KEYS) do
  redis.call('ZADD', key, now, ARGV[1])
  redis.call('PEXPIRE', key, ARGV[2 * number + 1] * 1000)
end
return 0
"""


@dataclass(frozen=True)
class Bucket:
    """At most `limit` attempts in `seconds`, together for all that have the same `name`."""

    name: str
    limit: int
    seconds: int

    @property
    def key(self) -> str:
        """Return the key in Redis: a digest, because names contain what visitors typed."""
        return f"attempts:{hashlib.sha256(self.name.encode(errors='surrogatepass')).hexdigest()}"


@dataclass(frozen=True)
class Attempt:
    """One attempt, counted in `buckets`; or, if `full` is one of them, counted in none."""

    token: str
    buckets: tuple[Bucket, ...]
    full: Bucket | None = None

    def forgive(self) -> None:
        """Take it back: it was no failure."""
        pipe = _connection().pipeline(transaction=False)
        for bucket in self.buckets if self.full is None else ():
            pipe.zrem(bucket.key, self.token)
        pipe.execute()


def take(buckets: Sequence[Bucket]) -> Attempt:
    """Count an attempt before its outcome is known, so that parallel ones are all counted. Raise redis.RedisError."""
    token = uuid.uuid4().hex
    numbers = [number for bucket in buckets for number in (bucket.limit, bucket.seconds)]
    keys = [bucket.key for bucket in buckets]
    full = int(_connection().eval(_TAKE, len(keys), *keys, token, *numbers))
    return Attempt(token, tuple(buckets), buckets[full - 1] if full else None)


def clear(buckets: Sequence[Bucket]) -> None:
    """Forget what was counted."""
    _connection().delete(*(bucket.key for bucket in buckets))


def _connection() -> redis.Redis:
    return _connect(settings.CACHES["default"]["LOCATION"])


@lru_cache(maxsize=4)
def _connect(url: str) -> redis.Redis:
    return redis.Redis.from_url(url, socket_timeout=5, socket_connect_timeout=5)
