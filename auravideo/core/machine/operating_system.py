"""What this operating system offers: Linux has it all, macOS less. Whoever needs any of it asks here.

Nothing here raises because a call or a file of Linux is missing. Standard library only, since settings and the pure
modules may import it.
"""

import ctypes
import os
import subprocess
import sys
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

PROC, CGROUP = Path("/proc"), Path("/sys/fs/cgroup")
TOOL_SECONDS = 5.0  # for a program of the system to answer


def is_macos() -> bool:
    return sys.platform == "darwin"


def has_process_control() -> bool:
    """Return whether there is prctl(2), by which the kernel looks after processes whose parent dies (Linux)."""
    return hasattr(ctypes.CDLL(None), "prctl")


def process_control(option: int, value: int) -> None:
    """Call prctl(2); where there is none, nothing happens."""
    call = getattr(ctypes.CDLL(None), "prctl", None)
    if call is not None:
        call(option, value)


def cores() -> int:
    """Return how many CPUs this process may use; of the whole machine, where it cannot be bound to some."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@lru_cache(maxsize=1)
def boot() -> str:
    """Return what names this machine until it is started again, the same in all of its containers; "" if unknown."""
    with suppress(OSError):
        return (PROC / "sys/kernel/random/boot_id").read_text().strip()
    return _output("sysctl", "-n", "kern.bootsessionuuid").strip()


def total_memory() -> int:
    """Return the machine's main memory in bytes."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def main_memory() -> tuple[int, int]:
    """Return (total, available) main memory in bytes, within the limit of this process's container.

    What is available is a guess on macOS: the pages that are free, and those that it would take from others first.
    """
    total, available = _of_the_machine()
    limit, used = _number(CGROUP / "memory.max"), _number(CGROUP / "memory.current")
    if limit is None or limit >= total:
        return total, available
    return limit, max(0, min(available, limit - (used or 0)))


def processor_name() -> str:
    """Return the name of the CPU; "" if unknown."""
    with suppress(OSError):
        lines = (PROC / "cpuinfo").read_text().splitlines()
        return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "")
    return _output("sysctl", "-n", "machdep.cpu.brand_string").strip()


def has_apple_chip() -> bool:
    """Return whether this is a Mac with a chip of Apple's, whose GPU torch calls `mps`."""
    return is_macos() and os.uname().machine == "arm64"


def _of_the_machine() -> tuple[int, int]:
    with suppress(OSError, KeyError, ValueError):
        lines = [line.split() for line in (PROC / "meminfo").read_text().splitlines()]
        kib = {words[0]: int(words[1]) for words in lines if len(words) > 1}
        return kib["MemTotal:"] * 1024, kib["MemAvailable:"] * 1024
    total = total_memory()
    return total, min(total, _available_on_macos(_output("vm_stat")) or total // 2)


def _available_on_macos(report: str) -> int:
    """Return the bytes that `vm_stat` reports as free, inactive or speculative; 0 if it cannot be read."""
    with suppress(ValueError, IndexError):
        lines = report.splitlines()
        page = int(lines[0].split("page size of ")[1].split()[0])
        pages = {name: int(count.strip(" .")) for name, colon, count in (line.partition(":") for line in lines[1:])}
        return page * sum(pages.get(f"Pages {kind}", 0) for kind in ("free", "inactive", "speculative"))
    return 0


def _number(path: Path) -> int | None:
    """Return the number in a file of the control group; None if there is none ("max": no limit)."""
    with suppress(OSError, ValueError):
        return int(path.read_text())
    return None


def _output(*command: str) -> str:
    """Return what a program of the system prints; "" if it is not there, or fails."""
    try:
        done = subprocess.run(  # noqa: S603  the system's programs
            command, capture_output=True, text=True, timeout=TOOL_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout if done.returncode == 0 else ""
