"""The processes that a supervisor cannot keep running, for operators: `manage.py serve` reports, any process reads.

A report is a key in Redis that its supervisor keeps alive, so a machine that vanished reports nothing.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import cast

from generation.queue import broker

INDEX = "auravideo:failing"
EXPIRES_SECONDS = 30


@dataclass(frozen=True)
class Failing:
    """A process that exits again and again, such as `generate@box`, and how often in a row it did."""

    name: str
    exits: int

    def __str__(self) -> str:
        return f"{self.name} keeps exiting ({self.exits} times in a row)"


def report(supervisor: str, found: Sequence[Failing]) -> None:
    """Replace what a supervisor reported. Raises redis.RedisError if Redis is unavailable.

    Args:
        supervisor: its name, unique on all machines.
    """
    key = f"{INDEX}:{supervisor}"
    pipe = broker.connection().pipeline(transaction=True)
    if found:
        pipe.set(key, json.dumps([asdict(process) for process in found]), ex=EXPIRES_SECONDS)
        pipe.sadd(INDEX, key)
    else:
        pipe.delete(key)
        pipe.srem(INDEX, key)
    pipe.execute()


def everywhere() -> list[Failing]:
    """Return the processes that fail on any machine, by name. Raises redis.RedisError if Redis is unavailable."""
    client = broker.connection()
    keys = sorted(cast(set[bytes], client.smembers(INDEX)))
    stored = cast(list[bytes | None], client.mget(keys)) if keys else []
    if gone := [key for key, value in zip(keys, stored, strict=True) if value is None]:
        client.srem(INDEX, *gone)
    found = [Failing(**one) for value in stored if value for one in json.loads(value)]
    return sorted(found, key=lambda process: process.name)
