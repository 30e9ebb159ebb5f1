"""Which worker processes a machine runs: their queues, their graphics cards and their names."""

import re
import socket
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from auravideo.core.metrics.gpus import Gpu
from generation.domain.stages import QUEUES

_DEVICE = re.compile(r"\d+|(GPU|MIG)-[0-9a-fA-F-]+|cpu")
_HOST = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")


class InvalidCrew(ValueError):
    """The description of the workers has a mistake; the message says which."""


@dataclass(frozen=True)
class Worker:
    """One worker process.

    Attributes:
        name: unique on the machine, such as `generate-0`.
        queue: the queue that it serves.
        device: the graphics card that it sees, as CUDA_VISIBLE_DEVICES spells it; "cpu" for none, "" for all.
    """

    name: str
    queue: str
    device: str = ""

    def node(self, host: str) -> str:
        """Return the name by which Celery knows it."""
        return f"{self.name}@{host}"

    @property
    def environment(self) -> dict[str, str]:
        """Return the environment variables that give it its card."""
        if not self.device:
            return {}
        if self.device == "cpu":
            return {"CUDA_VISIBLE_DEVICES": "", "AURAVIDEO_DEVICE": "cpu"}
        # ROCm obeys the first, too. The second is Intel's, which knows numbers only.
        others = {"ZE_AFFINITY_MASK": self.device} if self.device.isdigit() else {}
        return {"CUDA_VISIBLE_DEVICES": self.device, **others}


def parse(text: str) -> tuple[Worker, ...]:
    """Return the workers that `text` lists, such as `cpu,generate:0,generate:1`; one per queue if it is empty.

    Raises:
        InvalidCrew: a queue does not exist, or a card is not written as CUDA_VISIBLE_DEVICES spells it.
    """
    parts = [part.strip() for part in text.split(",") if part.strip()] or list(QUEUES)
    wanted = [_queue_and_device(part) for part in parts]
    used: Counter[str] = Counter()
    workers = []
    for queue, device in wanted:
        name = f"{queue}-{device}" if device else queue
        used[name] += 1
        workers.append(Worker(name if used[name] == 1 else f"{name}-no{used[name]}", queue, device))
    return tuple(workers)


def check_cards(workers: Iterable[Worker], cards: Sequence[Gpu], count: int) -> None:
    """Raise InvalidCrew if a worker is to use a card that this machine does not have.

    A card that has failed is one that it has: its worker says so, and the others go on.

    Args:
        cards: those that answer. `count` is how many there are; 0 where no driver of NVIDIA's knows.
    """
    for worker in workers:
        is_number = worker.device.isdigit()
        is_uuid = worker.device.startswith("GPU-")
        is_unknown = is_uuid and len(cards) == count and not any(card.uuid.startswith(worker.device) for card in cards)
        if count and ((is_number and int(worker.device) >= count) or is_unknown):
            there = ", ".join(f"{card.index} ({card.name}, {card.uuid})" for card in cards)
            raise InvalidCrew(
                f"'{worker.queue}:{worker.device}' names a graphics card that is not here. This machine's: {there}."
            )


def _queue_and_device(part: str) -> tuple[str, str]:
    queue, colon, device = part.partition(":")
    if queue not in QUEUES:
        raise InvalidCrew(f"There is no queue named {queue}. The queues: {', '.join(QUEUES)}.")
    if colon and not _DEVICE.fullmatch(device):
        raise InvalidCrew(f"'{part}' names no graphics card. Write a number, as in {queue}:0, or {queue}:cpu for none.")
    return queue, device


def host(name: str | None) -> str:
    """Return the part of the workers' names that tells machines apart: `name`, or the host's own name."""
    if name and not _HOST.fullmatch(name):
        raise InvalidCrew(f"'{name}' is not a valid name for a machine: use letters, digits, dots and hyphens.")
    return name or socket.gethostname()
