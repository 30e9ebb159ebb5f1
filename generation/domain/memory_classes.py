"""Queues by memory: what the smallest card cannot hold goes to a queue that only larger cards read.

A stage has one queue, named after it, and beside it one per memory class (`generate-24gb`). A message goes to the
smallest class that holds its model; a worker reads its stage's queue and every class that its own memory covers. So
the broker does the matching, and no worker takes a message only to find that it cannot run it. Pure: no ORM, no Celery.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from generation.domain.stages import CPU, QUEUES

GB = 10**9  # decimal, as cards and catalogue entries are labelled; a "24 GB" card reports 25.7
EVERYWHERE = 2  # every worker has this much, so nobody needs to ask
BASE = 6  # a model up to this size goes to the stage's own queue
CLASSES = (8, 12, 16, 24, 40, 48, 80, 140)


@dataclass(frozen=True)
class Need:
    """The memory in bytes without which a worker cannot run a unit: on a card, or in main memory without one."""

    card: int
    processor: int

    def on(self, *, is_card: bool) -> int:
        return self.card if is_card else self.processor


def class_queues(queue: str) -> tuple[str, ...]:
    """Return the queues of the memory classes beside `queue`, smallest first; none for work without a model."""
    return () if queue == CPU else tuple(_name(queue, size) for size in CLASSES)


def with_classes(queue: str) -> tuple[str, ...]:
    """Return a queue and the queues of its memory classes."""
    return (queue, *class_queues(queue))


def base_of(queue: str) -> str:
    """Return the stage's queue that a class belongs to; a queue that is no class is returned unchanged."""
    return _BASES.get(queue, queue)


def class_of(needed: int) -> int:
    """Return the size in GB of the smallest class that holds `needed` bytes, the largest if none does."""
    return next((size for size in (BASE, *CLASSES) if needed <= size * GB), CLASSES[-1])


def queue_for(queue: str, needed: int) -> str:
    """Return where a message goes whose model needs `needed` bytes; beyond the largest class, into the largest."""
    if queue == CPU or needed <= BASE * GB:
        return queue
    return _name(queue, class_of(needed))


def can_take(queue: str, memory: int, needed: int) -> bool:
    """Return whether a worker of a stage's `queue` with `memory` bytes is handed what needs `needed` bytes.

    Enough memory is not enough: a worker with 6.4 GB does not read the queue of 8 GB, where 6.2 GB belong.
    """
    return memory >= needed and queue_for(queue, needed) in queues_within((queue,), memory)


def queues_within(queues: Iterable[str], memory: int) -> tuple[str, ...]:
    """Return what a worker with `memory` bytes reads if it serves `queues`: each, and the classes that it covers."""
    classes = [size for size in CLASSES if size * GB <= memory]
    found: list[str] = []
    for queue in dict.fromkeys(map(base_of, queues)):
        found += [queue, *([] if queue == CPU else [_name(queue, size) for size in classes])]
    return tuple(found)


def _name(queue: str, size: int) -> str:
    return f"{queue}-{size}gb"


_BASES = {name: queue for queue in QUEUES for name in class_queues(queue)}
ALL_QUEUES: tuple[str, ...] = tuple(name for queue in QUEUES for name in with_classes(queue))
