"""Whether the kernel has just ended a process of ours because memory ran out.

The kernel leaves no other sign: to the parent, its OOM killer is a SIGKILL like any other. It counts its kills for each
control group (Linux, versions 1 and 2), else for the whole machine. Elsewhere nothing is known.
"""

import time
from contextlib import suppress
from pathlib import Path

RECENT_SECONDS = 10.0  # a death is noticed within a second or two
PROC, CGROUPS = Path("/proc"), Path("/sys/fs/cgroup")


def count() -> int:
    """Return how many processes the kernel has ended so far where this process belongs; 0 if it does not say."""
    for file in _counters():
        with suppress(OSError, ValueError):
            words = file.read_text().split()
            return int(words[words.index("oom_kill") + 1])
    return 0


def _counters() -> list[Path]:
    """Return the files that may have the count, best first. A container sees its own group at the root."""
    found = []
    with suppress(OSError):
        for line in (PROC / "self/cgroup").read_text().splitlines():
            _id, controllers, path = line.split(":", 2)
            if "memory" in controllers.split(","):
                groups, name = CGROUPS / "memory", "memory.oom_control"
            elif not controllers:
                groups, name = CGROUPS, "memory.events"
            else:
                continue
            found += [groups / path.lstrip("/") / name, groups / name]
    return [*found, PROC / "vmstat"]


class Watch:
    """Remembers the count, so that a death can be told from an earlier one. Call `look` every second or so."""

    def __init__(self) -> None:
        self._seen = [(time.monotonic(), count())]

    def look(self) -> None:
        now = time.monotonic()
        self._seen.append((now, count()))
        while len(self._seen) > 1 and self._seen[1][0] < now - RECENT_SECONDS:
            del self._seen[0]

    def explains_death(self) -> bool:
        """Return whether there was a kill in the last seconds. It explains one death only."""
        known, now = self._seen[0][1], count()
        if now <= known:
            return False
        self._seen = [(time.monotonic(), known + 1)]
        return True
