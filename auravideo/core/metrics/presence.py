"""The processes that are alive: each keeps a key in Redis alive, and any web process reads them all.

Redis expires the keys by its own clock, so machines with different clocks agree on who is there.
"""

import json
import os
import shutil
import socket
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any, cast

from django.conf import settings

from auravideo.core.metrics import gpus
from auravideo.core.metrics.totals import client
from auravideo.version import VERSION

INDEX = "auravideo:processes"
SCHEDULED = "auravideo:scheduled"
EXPIRES_SECONDS = 30  # a process counts as gone this long after its last sign of life

WEB, WORKER, SCHEDULER = "web", "worker", "scheduler"


@dataclass(frozen=True)
class Presence:
    """One living process, and what it reports about its machine.

    `disk` is (free, total) bytes of the home's file system, zeros if it cannot be read; `clock` the process's own time
    when it reported.
    """

    kind: str
    machine: str
    pid: int
    version: str
    websockets: int = 0
    disk: tuple[int, int] = (0, 0)
    gpus: list[dict[str, Any]] = field(default_factory=list)
    clock: float = 0.0

    @property
    def key(self) -> str:
        return key_of(self.kind, self.machine, self.pid)


def key_of(kind: str, machine: str, pid: int) -> str:
    """Return the Redis key of a process."""
    return f"{INDEX}:{kind}:{machine}:{pid}"


def this_process(kind: str, websockets: Callable[[], int]) -> Presence:
    """Return the presence of this process. Only workers report the cards of their machine."""
    return Presence(
        kind=kind,
        machine=socket.gethostname(),
        pid=os.getpid(),
        version=VERSION,
        websockets=websockets(),
        disk=_disk(),
        gpus=[asdict(gpu) for gpu in gpus.read()] if kind == WORKER else [],
        clock=time.time(),
    )


def _disk() -> tuple[int, int]:
    try:
        disk = shutil.disk_usage(settings.HOME)
    except OSError:  # whoever has lost its disk is alive all the same
        return 0, 0
    return disk.free, disk.total


def announce(presence: Presence) -> None:
    """Tell that a process is alive. Raises redis.RedisError if Redis is unavailable."""
    pipe = client().pipeline(transaction=True)
    pipe.set(presence.key, json.dumps(asdict(presence)), ex=EXPIRES_SECONDS)
    pipe.sadd(INDEX, presence.key)
    pipe.execute()


def leave(kind: str) -> None:
    """Tell that this process is about to exit. Raises redis.RedisError if Redis is unavailable."""
    key = key_of(kind, socket.gethostname(), os.getpid())
    pipe = client().pipeline(transaction=True)
    pipe.delete(key)
    pipe.srem(INDEX, key)
    pipe.execute()


def is_present(kind: str, pid: int) -> bool:
    """Return whether a process of this machine is alive. Raises redis.RedisError if Redis is unavailable."""
    return bool(client().exists(key_of(kind, socket.gethostname(), pid)))


def try_to_write() -> None:
    """Do what a process does to tell that it is alive. Raises redis.RedisError if Redis takes no writes."""
    client().set(f"{INDEX}:trial", "", ex=EXPIRES_SECONDS)


def present() -> list[Presence]:
    """Return every living process. Raises redis.RedisError if Redis is unavailable."""
    keys = sorted(cast(set[bytes], client().smembers(INDEX)))
    stored = cast(list[bytes | None], client().mget(keys)) if keys else []
    if gone := [key for key, value in zip(keys, stored, strict=True) if value is None]:
        client().srem(INDEX, *gone)
    return [found for value in stored if value and (found := _read(value)) is not None]


def _read(value: bytes) -> Presence | None:
    """Return a stored presence, or None if another version of this software wrote it with other fields."""
    try:
        return Presence(**json.loads(value))
    except (TypeError, ValueError):
        return None


def note_schedule() -> None:
    """Record that the scheduler has just sent a task, by the clock of Redis."""
    seconds, micro = client().time()
    client().set(SCHEDULED, seconds + micro / 1e6)


def since_schedule() -> float | None:
    """Return seconds since the scheduler last sent a task; None if it never has."""
    pipe = client().pipeline(transaction=False)
    pipe.get(SCHEDULED)
    pipe.time()
    stored, (seconds, micro) = pipe.execute()
    return max(0.0, seconds + micro / 1e6 - float(stored)) if stored else None


def clock_differences() -> dict[str, float]:
    """Return by how many seconds each machine's clock was ahead of Redis's when it last reported.

    A key's remaining life says how long ago that was. A negative difference means behind.
    """
    found = present()
    pipe = client().pipeline(transaction=True)
    pipe.time()
    for process in found:
        pipe.pttl(process.key)
    (seconds, micro), *left = pipe.execute()
    now = seconds + micro / 1e6
    return {
        process.machine: process.clock - (now - (EXPIRES_SECONDS - milliseconds / 1000))
        for process, milliseconds in zip(found, left, strict=True)
        if milliseconds > 0
    }
