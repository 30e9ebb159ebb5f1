"""The device of this process and its memory, without loading torch or TensorFlow: NVML for cards."""

import logging
import os
import sys
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from django.conf import settings

from auravideo.core.machine import graphics, operating_system
from auravideo.core.metrics import gpus
from generation.domain.memory_classes import GB
from generation.queue import roster

logger = logging.getLogger(__name__)


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
    found = _card() or Device(roster.CPU, *operating_system.main_memory())
    limit = settings.WORKER_MEMORY_GB * GB or found.total
    return Device(found.name, min(found.total, limit), min(found.free, limit))


def is_card() -> bool:
    """Return whether this process computes on a card."""
    return _card() is not None


def capability() -> tuple[int, int] | None:
    """Return the compute capability of this process's NVIDIA card; None without one."""
    return None if settings.DEVICE == "cpu" else gpus.capability(os.environ.get("CUDA_VISIBLE_DEVICES"))


def is_open() -> bool:
    """Return whether this process has computed on a card, and so keeps some of its memory until it ends."""
    torch = sys.modules.get("torch")
    if torch is not None and any(getattr(torch, kind).is_initialized() for kind in ("cuda", "xpu")):
        return True
    return "tensorflow" in sys.modules and is_card()


def compute_mode() -> str:
    """Return who may compute on this process's card besides it (core/metrics/gpus.py); "" for everybody."""
    nvml = _nvml()
    handle = _handle(nvml) if nvml else None
    return gpus.compute_mode(handle) if handle is not None else ""


def _card() -> Device | None:
    if settings.DEVICE == "cpu":
        return None
    nvml = _nvml()
    if nvml is None:
        other = graphics.other_card(settings.DEVICE, os.environ.get("CUDA_VISIBLE_DEVICES"))
        return Device(other.name, other.total, other.free) if other else None
    handle = _handle(nvml)
    if handle is None:
        return None
    with suppress(nvml.NVMLError):
        memory = nvml.nvmlDeviceGetMemoryInfo(handle)
        return Device(_name(nvml, handle), int(memory.total), int(memory.free))
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
        return _by_uuid(nvml, first) if first.startswith(("GPU-", "MIG-")) else None
    except nvml.NVMLError as error:
        logger.warning("CUDA_VISIBLE_DEVICES=%s names no card: %s", visible, error)
        return None


def _by_uuid(nvml: Any, uuid: str) -> Any:
    """Return the card of a UUID, or of the beginning of one, as CUDA accepts it and NVML does not."""
    with suppress(nvml.NVMLError):
        return nvml.nvmlDeviceGetHandleByUUID(uuid)
    there = [nvml.nvmlDeviceGetHandleByIndex(index) for index in range(nvml.nvmlDeviceGetCount())]
    found = [card for card in there if str(nvml.nvmlDeviceGetUUID(card)).startswith(uuid)]
    return found[0] if len(found) == 1 else nvml.nvmlDeviceGetHandleByUUID(uuid)


def _name(nvml: Any, handle: Any) -> str:
    """Return the name of a card; with its number, as nvidia-smi shows it, on a machine that has several.

    Two of the same name are not one that workers share (`roster.neighbours`), and operators want to know which it is.
    """
    name = str(nvml.nvmlDeviceGetName(handle))
    with suppress(nvml.NVMLError):  # a slice of a card (MIG) has no number
        if nvml.nvmlDeviceGetCount() > 1:
            return f"{name}, card {nvml.nvmlDeviceGetIndex(handle)}"
    return name
