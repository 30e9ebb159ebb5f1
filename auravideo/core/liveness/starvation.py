"""For how long a process was ready to run while others had the CPUs: what it did not do then is not its fault."""

import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

_NANOSECONDS = 1e9


def _delays(pid: int) -> dict[str, int]:
    """Return how long each thread of a process has waited for a CPU since it began, in nanoseconds.

    The second figure of /proc/PID/task/TID/schedstat (Linux, Documentation/scheduler/sched-stats.rst). Elsewhere, none.
    """
    delays = {}
    for task in Path(f"/proc/{pid}/task").glob("*/schedstat"):
        with suppress(OSError, IndexError, ValueError):  # threads end
            delays[task.parent.name] = int(task.read_text("ascii").split()[1])
    return delays


class Watch:
    """Adds up the waits of processes from one look to the next.

    Threads wait side by side, so the longest wait among them counts, and never more than the time between two looks.
    """

    def __init__(self) -> None:
        self._looked = time.monotonic()
        self._delays: dict[int, dict[str, int]] = {}
        self._totals: dict[int, float] = {}

    def look(self, pids: Iterable[int]) -> None:
        """Add what the processes waited since the last look. Forgets all others."""
        now = time.monotonic()
        elapsed, self._looked = now - self._looked, now
        delays = {pid: _delays(pid) for pid in pids}
        self._totals = {pid: self.seconds(pid) + self._waited(pid, new, elapsed) for pid, new in delays.items()}
        self._delays = delays

    def seconds(self, pid: int) -> float:
        """Return how long a process has waited since it was first looked at."""
        return self._totals.get(pid, 0.0)

    def _waited(self, pid: int, new: dict[str, int], elapsed: float) -> float:
        old = self._delays.get(pid)
        if old is None:
            return 0.0
        return min(elapsed, max((ns - old.get(tid, ns) for tid, ns in new.items()), default=0) / _NANOSECONDS)
