"""The graphics cards of this machine, as NVIDIA's driver reports them (NVML)."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pynvml

logger = logging.getLogger(__name__)
_ALL = -1
EXCLUSIVE, PROHIBITED = "exclusive process", "prohibited"  # set by `nvidia-smi --compute-mode`
_MODES = {pynvml.NVML_COMPUTEMODE_EXCLUSIVE_PROCESS: EXCLUSIVE, pynvml.NVML_COMPUTEMODE_PROHIBITED: PROHIBITED}
_lost: set[int] = set()  # indexes of the cards that the last reading did not find well; `_ALL` if it could count none


@dataclass(frozen=True)
class Gpu:
    """One card: memory in bytes, `busy` the share of time (0 to 1) in which it computed. `uuid` is unique worldwide.

    `mode` is EXCLUSIVE if one process at a time may compute on it, PROHIBITED if none may, else "".
    """

    uuid: str
    index: int
    name: str
    used: int
    total: int
    busy: float
    mode: str = ""


def read() -> list[Gpu]:
    """Return the cards of this machine; none without NVIDIA's driver. One that has failed is left out."""
    with _driver() as is_there:
        found = [_read_or_warn(index) for index in range(_count())] if is_there else []
    return [card for card in found if card is not None]


def count() -> int:
    """Return how many cards NVIDIA's driver lists, those that have failed included; 0 without a driver."""
    with _driver() as is_there:
        return _count() if is_there else 0


def driver_version() -> str:
    """Return the version of NVIDIA's driver, or "" without one."""
    with _driver() as is_there:
        return pynvml.nvmlSystemGetDriverVersion() if is_there else ""


def cuda_version() -> str:
    """Return the newest CUDA that the driver supports, such as "13.0"; "" without one."""
    with _driver() as is_there:
        found = pynvml.nvmlSystemGetCudaDriverVersion_v2() if is_there else 0
    return f"{found // 1000}.{found % 1000 // 10}" if found else ""


@contextmanager
def _driver() -> Iterator[bool]:
    """Open NVML and yield True, or yield False on a machine without a driver. Errors of a present card are logged."""
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        yield False
        return
    try:
        yield True
    finally:
        pynvml.nvmlShutdown()


def _count() -> int:
    """Return how many cards the driver lists; none while it fails, which says nothing about this process."""
    try:
        found = int(pynvml.nvmlDeviceGetCount())
    except pynvml.NVMLError as error:
        if _ALL not in _lost:
            logger.warning("Graphics cards cannot be counted: %s", error)
        _lost.add(_ALL)
        return 0
    _lost.discard(_ALL)
    return found


def _read_or_warn(index: int) -> Gpu | None:
    """Return a card; None, and once a line in the log, if the driver has lost it."""
    try:
        card = _read(index)
    except pynvml.NVMLError as error:
        if index not in _lost:
            logger.warning("Graphics card %d cannot be read: %s", index, error)
        _lost.add(index)
        return None
    _lost.discard(index)
    return card


def _read(index: int) -> Gpu:
    card = pynvml.nvmlDeviceGetHandleByIndex(index)
    memory = pynvml.nvmlDeviceGetMemoryInfo(card)
    try:
        busy = pynvml.nvmlDeviceGetUtilizationRates(card).gpu / 100
    except pynvml.NVMLError:  # not measured for a slice of a card (MIG)
        busy = float("nan")
    return Gpu(
        uuid=pynvml.nvmlDeviceGetUUID(card),
        index=index,
        name=pynvml.nvmlDeviceGetName(card),
        used=int(memory.used),
        total=int(memory.total),
        busy=busy,
        mode=compute_mode(card),
    )


def compute_mode(card: Any) -> str:
    """Return who may compute on a card, given NVML's handle: EXCLUSIVE, PROHIBITED, or "" for everybody."""
    try:
        return _MODES.get(pynvml.nvmlDeviceGetComputeMode(card), "")
    except pynvml.NVMLError:  # not known of a slice of a card (MIG)
        return ""
