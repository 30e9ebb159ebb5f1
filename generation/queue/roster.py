"""The roster of workers: who is there, what each holds, may use and is doing. The only writer of `Worker`.

Workers write their own rows, by the database's clock, so that the clocks of many machines do not matter. It lives in
the database because draining must survive a wiped Redis, and because what a worker is doing is a join with its claims
(docs/adr/0008-roster-in-the-database.md).
"""

import logging
import time
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from django.conf import settings
from django.db.models import Q, QuerySet
from django.db.models.functions import Now

from generation.domain.memory_classes import Need, can_take, queue_for, queues_within
from generation.domain.stages import QUEUES
from generation.domain.states import RunStatus
from generation.models import StageRun, Worker
from generation.queue import broker

logger = logging.getLogger(__name__)

CPU = "CPU"  # the name of the device of a worker without a graphics card
NOTHING = Need(0, 0)
_FRESH_SECONDS = 10  # how long a process caches `capacity`
_LOOKS_SECONDS = 60  # between two looks of a process at most, for what it saw before the first to count


@dataclass(frozen=True)
class Doing:
    """A unit that a worker is running."""

    job: str
    stage: str
    chunk: int
    since: datetime


@dataclass(frozen=True)
class Member:
    """A worker that is there, and what it is doing; several units if it runs several processes."""

    worker: Worker
    doing: tuple[Doing, ...]

    @property
    def state(self) -> str:
        """Return busy, idle, draining (it finishes what it has) or drained (it has nothing left, and takes nothing)."""
        if self.worker.draining_since is None:
            return "busy" if self.doing else "idle"
        return "draining" if self.doing or self.worker.takes_work else "drained"

    def to_dict(self) -> dict[str, Any]:
        """Return what `manage.py workers --json` prints; sizes in bytes, times in ISO 8601."""
        worker = self.worker
        names = ("name", "host", "pid", "queues", "device", "version", "memory_total", "memory_free", "warm")
        return {
            **{name: getattr(worker, name) for name in names},
            "notes": worker.notes or [],
            "state": self.state,
            "started_at": worker.started_at.isoformat(),
            "heartbeat_at": worker.heartbeat_at.isoformat(),
            "draining_since": worker.draining_since.isoformat() if worker.draining_since else None,
            "doing": [{**vars(unit), "since": unit.since.isoformat()} for unit in self.doing],
        }


def register(name: str, **facts: Any) -> None:
    """Enter a worker that has just started, or whose row is gone because nobody heard from it for too long.

    A worker that was killed and started again within that time finds its old row, and keeps the order to drain.
    """
    fresh = {**facts, "started_at": Now(), "heartbeat_at": Now(), "warm": [], "notes": [], "takes_work": True}
    if not Worker.objects.filter(name=name).update(**fresh):
        Worker.objects.bulk_create([Worker(name=name, **fresh)], ignore_conflicts=True)


def beat(name: str, pid: int, *, memory_free: int, takes_work: bool) -> bool | None:
    """Record that a worker is alive. Return whether it should take work, or None if its row is gone or another's."""
    mine = Worker.objects.filter(name=name, pid=pid)
    if not mine.update(heartbeat_at=Now(), memory_free=memory_free, takes_work=takes_work):
        return None
    return not mine.filter(draining_since__isnull=False).exists()


def report_warm(name: str, warm: list[str], notes: Sequence[Mapping[str, str]] = ()) -> None:
    """Record which engines a worker holds, and how they run where that is not as usual (domain/worker_notes.py)."""
    Worker.objects.filter(name=name).update(warm=warm, notes=list(notes))


def neighbours(name: str, boot: str, device: str) -> bool:
    """Return whether another worker of the same machine computes on a device of that name, maybe the same one."""
    return present().filter(boot=boot, device=device).exclude(name=name).exists()


def leave(name: str, pid: int) -> None:
    """Remove a worker that is stopping."""
    Worker.objects.filter(name=name, pid=pid).delete()


def drain(names: Collection[str]) -> int:
    """Tell workers to finish what they have and take nothing more. Return how many this call told.

    They read it from the database at their next heartbeat; the message only makes them look at once.
    """
    told = Worker.objects.filter(name__in=names, draining_since=None).update(draining_since=Now())
    broker.nudge(names)
    return told


def undrain(names: Collection[str]) -> int:
    """Let workers take work again. Return how many were draining."""
    told = Worker.objects.filter(name__in=names, draining_since__isnull=False).update(draining_since=None)
    broker.nudge(names)
    return told


def present() -> QuerySet[Worker]:
    """Return the workers that were heard within `settings.LOST_AFTER_SECONDS`, by the database's clock."""
    return Worker.objects.filter(heartbeat_at__gte=Now() - timedelta(seconds=settings.LOST_AFTER_SECONDS))


def workers_by_queue() -> Counter[str]:
    """Return the number of workers of each stage's queue, those that are draining included."""
    return Counter(queue for queues in present().order_by().values_list("queues", flat=True) for queue in queues)


def members(workers: Iterable[Worker] | None = None) -> list[Member]:
    """Return workers with what they are doing, in two queries; all that are present by default."""
    running = _running()
    found = present() if workers is None else workers
    return [Member(worker, tuple(running.get(worker.name, ()))) for worker in found]


def forget_dead() -> int:
    """Delete the rows of workers that died. Return how many."""
    dead = Worker.objects.exclude(pk__in=present().values("pk"))
    names = list(dead.values_list("name", flat=True))
    if names:
        logger.warning("No heartbeat from %s: forgotten", ", ".join(names))
        dead.filter(name__in=names).delete()
    return len(names)


def idle_holders(queue: str, engine: str, besides: str, need: Need = NOTHING) -> list[str]:
    """Return the workers of a stage's queue, other than `besides`, that hold an engine and have nothing to do.

    Args:
        need: the memory that they must have, and whose class they must read.
    """
    there = _taking(need).exclude(name=besides)
    rows = there.values_list("name", "queues", "memory_total", "warm")
    holders = [
        name for name, queues, memory, warm in rows if engine in warm and _is_handed(queue, need, queues, memory)
    ]
    busy = _running() if holders else {}
    return [name for name in holders if name not in busy]


def has_idle(queue: str, need: Need) -> bool:
    """Return whether a worker of a stage's queue has nothing to do, and the memory, and reads that class."""
    rows = _taking(need).values_list("name", "queues", "memory_total")
    names = [name for name, queues, memory in rows if _is_handed(queue, need, queues, memory)]
    return bool(names) and not _running().keys() >= set(names)


def has_able(queue: str, need: Need, least: int = 0) -> bool:
    """Return whether a worker of a stage's queue has the memory for a unit, and is of the class of `least` bytes."""
    rows = _taking(need).values_list("queues", "memory_total")
    reads = queue_for(queue, least)
    return any(queue in queues and reads in queues_within((queue,), memory) for queues, memory in rows)


def is_read(name: str) -> bool:
    """Return whether a worker takes work from a queue, be it a stage's or that of a memory class."""
    rows = _taking(NOTHING).values_list("queues", "memory_total")
    return any(name in queues_within(queues, memory) for queues, memory in rows)


def _is_handed(queue: str, need: Need, queues: Sequence[str], memory: int) -> bool:
    """Return whether a worker that serves `queues` reads the one in which a unit of a stage's queue stands."""
    return queue in queues and queue_for(queue, need.card) in queues_within((queue,), memory)


def _taking(need: Need) -> QuerySet[Worker]:
    """Return the workers that take work and have the memory for a unit."""
    enough = Q(memory_total__gte=need.card) & ~Q(device=CPU) | Q(memory_total__gte=need.processor, device=CPU)
    return present().filter(enough, draining_since=None, takes_work=True)


@dataclass
class Capacity:
    """The workers of a stage's queue together.

    Attributes:
        names: who they are. A worker of several queues is in the capacity of each.
        cards: the memory that each of those with a graphics card may use of it, in bytes.
        processors: the main memory that each of the others may use, in bytes.
        warm: the engines that they hold.
        boots: their machines, and when these were started.
    """

    names: set[str] = field(default_factory=set)
    cards: list[int] = field(default_factory=list)
    processors: list[int] = field(default_factory=list)
    warm: set[str] = field(default_factory=set)
    boots: set[str] = field(default_factory=set)

    @property
    def has_card(self) -> bool:
        """Return whether one of them computes on a graphics card."""
        return bool(self.cards)

    def can_take(self, queue: str, need: Need) -> bool:
        """Return whether one of them is handed a unit and has the memory for it."""
        if any(can_take(queue, memory, need.card) for memory in self.cards):
            return True
        reads = queue_for(queue, need.card)
        return any(memory >= need.processor and reads in queues_within((queue,), memory) for memory in self.processors)


def capacity() -> dict[str, Capacity]:
    """Return what each stage's queue that has workers can do; cached for some seconds."""
    return _capacity(int(time.monotonic() // _FRESH_SECONDS))


@lru_cache(maxsize=1)
def _capacity(_tick: int) -> dict[str, Capacity]:
    found: dict[str, Capacity] = {}
    rows = present().values_list("name", "queues", "memory_total", "warm", "boot", "device")
    for name, queues, memory, warm, boot, device in rows:
        for queue in queues:
            there = found.setdefault(queue, Capacity())
            there.names.add(name)
            (there.processors if device == CPU else there.cards).append(memory)
            there.warm.update(warm)
            there.boots.update([boot] if boot else [])
    return found


def crew() -> list[frozenset[str]]:
    """Return the stages' queues of each worker, as `capacity` knows them."""
    queues: dict[str, set[str]] = {}
    for queue, there in capacity().items():
        for name in there.names:
            queues.setdefault(name, set()).add(queue)
    return [frozenset(found) for found in queues.values()]


@dataclass
class _Missing:
    """Since when queues of stages have had no worker, as far as this process looked, by the monotonic clock."""

    since: dict[str, float] = field(default_factory=dict)
    looked: float = float("-inf")


_missing = _Missing()


def unserved() -> frozenset[str]:
    """Return the queues of stages that have had no worker for longer than a heartbeat.

    One that is started again is away for some seconds, so a process that looks for the first time reports nothing.
    """
    there, now = capacity(), time.monotonic()
    before = _missing.since if now - _missing.looked < _LOOKS_SECONDS else {}
    _missing.since = {queue: before.get(queue, now) for queue in QUEUES if queue not in there}
    _missing.looked = now
    return frozenset(queue for queue, since in _missing.since.items() if now - since > settings.HEARTBEAT_SECONDS)


def _running() -> dict[str, list[Doing]]:
    """Return what is being run, by the name of the worker: StageRun.worker is `name:process`."""
    found: dict[str, list[Doing]] = {}
    rows = StageRun.objects.filter(status=RunStatus.RUNNING).order_by("started_at")
    for worker, job, stage, chunk, since in rows.values_list("worker", "job_id", "stage", "chunk", "started_at"):
        found.setdefault(worker.rpartition(":")[0], []).append(Doing(str(job), stage, chunk, since))
    return found
