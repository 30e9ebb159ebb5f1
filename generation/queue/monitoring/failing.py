"""The processes that a supervisor cannot keep running or answering, for operators.

`manage.py serve` reports, any process reads. A report is a key in Redis that its supervisor keeps alive, so a machine
that vanished reports nothing.
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
    """A process that exits again and again, such as `generate@box`, and how often in a row it did.

    Attributes:
        is_silent: it did not exit, it runs and does not answer, or did so until a moment ago.
    """

    name: str
    exits: int
    is_silent: bool = False

    def __str__(self) -> str:
        if self.is_silent:
            return f"{self.name} stopped answering and is started again"
        return f"{self.name} keeps exiting ({self.exits} times in a row)"


def report(supervisor: str, found: Sequence[Failing]) -> None:
    """Replace what a supervisor reported. Raises redis.RedisError if Redis is unavailable.

    Args:
        supervisor: its name, unique on all machines.
    """
    key = f"{INDEX}:{supervisor}"
    pipe = broker.connection().pipeline(transaction=True)
    if found:
        pipe.set(key, json.dumps([_stored(process) for process in found]), ex=EXPIRES_SECONDS)
        pipe.sadd(INDEX, key)
    else:
        pipe.delete(key)
        pipe.srem(INDEX, key)
    pipe.execute()


def _stored(process: Failing) -> dict[str, object]:
    """Return the fields that say something: an older version, which may read this, does not know the newer ones."""
    return {name: value for name, value in asdict(process).items() if value is not False}


def everywhere() -> list[Failing]:
    """Return the processes that fail on any machine, by name. Raises redis.RedisError if Redis is unavailable."""
    client = broker.connection()
    keys = sorted(cast(set[bytes], client.smembers(INDEX)))
    stored = cast(list[bytes | None], client.mget(keys)) if keys else []
    if gone := [key for key, value in zip(keys, stored, strict=True) if value is None]:
        client.srem(INDEX, *gone)
    found = [Failing(**one) for value in stored if value for one in json.loads(value)]
    return sorted(found, key=lambda process: process.name)
