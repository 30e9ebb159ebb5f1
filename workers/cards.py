"""The device of this process and its memory, without loading torch or TensorFlow: NVML for cards, /proc for the CPU."""

import logging
import os
import sys
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from django.conf import settings

from generation.domain.memory_classes import GB
from generation.queue import roster

logger = logging.getLogger(__name__)

CGROUP = Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class Device:
    """What a worker computes on: its name, and the memory that the worker may use and that is free, in bytes."""

    name: str
    total: int
    free: int


def device() -> Device:
    """Return the first card that this process may use, or else the CPU.

    `AURAVIDEO_WORKER_MEMORY` caps both figures, for cards that several workers or a screen share.
    """
    found = _card() or Device(roster.CPU, *_main_memory())
    limit = settings.WORKER_MEMORY_GB * GB or found.total
    return Device(found.name, min(found.total, limit), min(found.free, limit))


def is_card() -> bool:
    """Return whether this process computes on a card."""
    return _card() is not None


def is_open() -> bool:
    """Return whether this process has computed on a card, and so keeps some of its memory until it ends."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        return True
    return "tensorflow" in sys.modules and is_card()


def _card() -> Device | None:
    nvml = _nvml()
    handle = _handle(nvml) if nvml else None
    if nvml is None or handle is None:
        return None
    with suppress(nvml.NVMLError):
        memory = nvml.nvmlDeviceGetMemoryInfo(handle)
        return Device(str(nvml.nvmlDeviceGetName(handle)), int(memory.total), int(memory.free))
    return None


@lru_cache(maxsize=1)
def _nvml() -> Any | None:
    """Return NVIDIA's management library, or None where there is no driver."""
    import pynvml

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return None
    return pynvml


def _handle(nvml: Any) -> Any | None:
    """Return the first card of CUDA_VISIBLE_DEVICES (an index or a UUID), or the machine's first; None if hidden."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    first = "0" if visible is None else visible.split(",")[0].strip()
    try:
        if first.isdigit():
            return nvml.nvmlDeviceGetHandleByIndex(int(first))
        return nvml.nvmlDeviceGetHandleByUUID(first) if first.startswith(("GPU-", "MIG-")) else None
    except nvml.NVMLError as error:
        logger.warning("CUDA_VISIBLE_DEVICES=%s names no card: %s", visible, error)
        return None


def _main_memory() -> tuple[int, int]:
    """Return (total, available) main memory in bytes, within the limit of this process's container."""
    lines = (line.split() for line in Path("/proc/meminfo").read_text().splitlines())
    kib = {words[0]: int(words[1]) for words in lines}
    total, available = kib["MemTotal:"] * 1024, kib["MemAvailable:"] * 1024
    limit, used = _number(CGROUP / "memory.max"), _number(CGROUP / "memory.current")
    if limit is None or limit >= total:
        return total, available
    return limit, max(0, min(available, limit - (used or 0)))


def _number(path: Path) -> int | None:
    """Return the number in a file of the control group; None if there is none ("max": no limit)."""
    with suppress(OSError, ValueError):
        return int(path.read_text())
    return None
