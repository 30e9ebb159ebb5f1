"""The most memory that this process takes while something runs: main memory, and on a card."""

import resource
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from workers import cards
from workers.engines import devices

_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")
_RESET_PEAK = "5"  # see proc_pid_clear_refs(5)
SAMPLE_SECONDS = 0.02  # NVML remembers no peak


class Peaks:
    """Bytes: `rss` of this process, `framework` as torch or TensorFlow count on a card, `card` all in use on it.

    `framework` and `card` are None without a card.
    """

    def __init__(self) -> None:
        self.rss = 0
        self.framework: int | None = None
        self.card: int | None = None

    def to_dict(self) -> dict[str, int | None]:
        return vars(self)


@contextmanager
def measured() -> Iterator[Peaks]:
    """Measure the peaks of the block, known once it has ended."""
    peaks, end = Peaks(), threading.Event()
    sampler = threading.Thread(target=_sample, args=(peaks, end), daemon=True) if cards.is_card() else None
    _reset()
    if sampler:
        sampler.start()
    try:
        yield peaks
    finally:
        end.set()
        if sampler:
            sampler.join()
        peaks.rss = _peak_rss()
        peaks.framework = _peak_of_framework()


def _sample(peaks: Peaks, end: threading.Event) -> None:
    while True:
        device = cards.device()
        peaks.card = max(peaks.card or 0, device.total - device.free)
        if end.wait(SAMPLE_SECONDS):
            return


def _reset() -> None:
    with suppress(OSError):  # Linux only; elsewhere the peak is that of the whole process
        _CLEAR.write_text(_RESET_PEAK)
    if device := _torch_device():
        devices.reset_peak(device)
    if tf := _tensorflow():
        tf.config.experimental.reset_memory_stats("GPU:0")


def _peak_rss() -> int:
    with suppress(OSError, StopIteration):
        line = next(line for line in _STATUS.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _peak_of_framework() -> int | None:
    if device := _torch_device():
        return devices.peak(device)
    if tf := _tensorflow():
        return int(tf.config.experimental.get_memory_info("GPU:0")["peak"])
    return None


def _torch_device() -> str:
    """Return the card on which this process uses torch; "" if it does not."""
    device = devices.choose() if "torch" in sys.modules else devices.CPU
    return device if devices.is_card(device) else ""


def _tensorflow() -> Any | None:
    """Return TensorFlow if this process uses it on a card."""
    tf = sys.modules.get("tensorflow")
    return tf if tf is not None and tf.config.list_logical_devices("GPU") else None
