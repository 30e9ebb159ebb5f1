"""A rig: a limit of memory for some processes, kept by the kernel: beyond it, its OOM killer ends one of them.

The limit is a memory cgroup below the one that we are in, of version 2 or 1, whichever this machine has. Only root may
make one. It counts main memory only; what a graphics card does when it is full, this cannot show.
"""

import os
import signal
import time
from contextlib import suppress
from pathlib import Path

import pytest

MEGABYTE = 2**20
END_SECONDS = 10


class MemoryLimit:
    """A cgroup with a limit. Use it as a context manager: it ends what is left in it, and removes it.

    Args:
        megabytes: of main memory, for all processes together.
    """

    def __init__(self, megabytes: int) -> None:
        self.bytes = megabytes * MEGABYTE
        self.folder: Path | None = None

    def __enter__(self) -> "MemoryLimit":
        """Skip the test where no cgroup can be made."""
        if os.getuid():
            pytest.skip("only root can limit memory by a cgroup")
        version, parent = _own()
        if parent is None:
            pytest.skip("this machine has no memory cgroups, or they cannot be written to")
        folder = parent / f"auravideo-test-{os.getpid()}-{id(self):x}"
        try:
            folder.mkdir()
            self.folder = folder
            limit, swap = (
                ("memory.max", "memory.swap.max") if version == 2 else ("memory.limit_in_bytes", "memory.swappiness")
            )
            (folder / limit).write_text(str(self.bytes))
            if (folder / swap).exists():  # or what is too much would only become slow
                (folder / swap).write_text("0")
        except OSError as error:
            self.__exit__()
            pytest.skip(f"this machine limits no memory: {error}")
        return self

    def __exit__(self, *_error: object) -> None:
        if self.folder is None or not self.folder.exists():
            return
        deadline = time.monotonic() + END_SECONDS
        while pids := self.processes():
            for pid in pids:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            assert time.monotonic() < deadline, f"{pids} do not end"
            time.sleep(0.05)
        self.folder.rmdir()

    @property
    def prefix(self) -> tuple[str, ...]:
        """Return what goes before a command, so that it and its children live within the limit."""
        return ("sh", "-c", f'echo $$ > {self.folder}/cgroup.procs && exec "$@"', "sh")

    def processes(self) -> list[int]:
        return [int(pid) for pid in (self.folder / "cgroup.procs").read_text().split()]

    def kills(self) -> int:
        """Return how many processes the OOM killer has ended here."""
        for name in ("memory.events", "memory.oom_control"):
            if (self.folder / name).exists():
                words = (self.folder / name).read_text().split()
                return int(words[words.index("oom_kill") + 1])
        raise FileNotFoundError(f"{self.folder} counts no kills")


def _own() -> tuple[int, Path | None]:
    """Return the version and the folder of the memory cgroup that this process is in; None if there is none."""
    memberships = [line.split(":", 2) for line in Path("/proc/self/cgroup").read_text().splitlines()]
    for _id, controllers, path in memberships:
        if "memory" in controllers.split(","):
            folder = Path("/sys/fs/cgroup/memory") / path.lstrip("/")
            return 1, folder if os.access(folder, os.W_OK) else None
    for _id, controllers, path in memberships:
        if not controllers:
            return 2, _with_room(Path("/sys/fs/cgroup"), path)
    return 0, None


def _with_room(root: Path, path: str) -> Path | None:
    """Return the closest folder above a cgroup of version 2 whose children can limit memory.

    The cgroup itself cannot be it: one with processes of its own hands no controllers on.
    """
    folder = root / path.lstrip("/")
    for place in (folder, *folder.parents):
        control = place / "cgroup.subtree_control"
        if place.is_relative_to(root) and control.exists() and "memory" in control.read_text().split():
            return place if os.access(place, os.W_OK) else None
    return None
