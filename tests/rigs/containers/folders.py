"""Where engines keep their files: a cache that stays, and a folder for each running engine that goes with it.

A running engine holds a lock on its folder. The kernel drops the lock when the process ends, however it ends, so a
folder without one is what a killed run left behind.
"""

import contextlib
import fcntl
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil

MARK = "AURAVIDEO_CONTAINER_ENGINE"  # set in the environment of the engine's own processes
_CGROUP = "auravideo-"


def base() -> Path:
    """Return the folder for everything here. /var/tmp because /tmp is often memory, and images are gigabytes."""
    return Path(os.environ.get("CONTAINERS_FOLDER") or "/var/tmp/auravideo-containers").resolve()


def cache() -> Path:
    """Return the folder of downloads that later runs reuse."""
    folder = base() / "cache"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def cgroup(folder: Path) -> str:
    """Return the name of the control group of an engine's containers."""
    return _CGROUP + folder.name


@contextlib.contextmanager
def own() -> Iterator[Path]:
    """Yield a new engine's folder; remove it afterwards, with its processes and control groups."""
    engines = base() / "engines"
    engines.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as locks:
        with locked(base() / "engines.lock"):  # or another run takes our folder for an abandoned one
            sweep()
            folder = Path(tempfile.mkdtemp(dir=engines, prefix=""))
            locks.enter_context(locked(folder))
        folder.chmod(0o755)
        try:
            yield folder
        finally:
            _remove(folder)


def sweep() -> list[Path]:
    """Remove what killed runs left behind; return the folders they had."""
    removed = []
    for folder in sorted((base() / "engines").glob("*")):
        with contextlib.suppress(BlockingIOError), locked(folder, block=False):
            _remove(folder)
            removed.append(folder)
    return removed


@contextlib.contextmanager
def locked(path: Path, *, block: bool = True) -> Iterator[None]:
    """Hold the lock of a folder or a file. Raise BlockingIOError if another process holds it and we may not `block`."""
    handle = os.open(path, os.O_RDONLY | (0 if path.is_dir() else os.O_CREAT))
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | (0 if block else fcntl.LOCK_NB))
        yield
    finally:
        os.close(handle)


def _remove(folder: Path) -> None:
    processes = processes_of(folder)
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.send_signal(signal.SIGKILL)
    psutil.wait_procs(processes, timeout=10)
    shutil.rmtree(folder)
    _remove_cgroups(cgroup(folder))


def processes_of(folder: Path) -> list[psutil.Process]:
    """Return the engine's own processes that still run, not those inside of its containers."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.environ().get(MARK) == str(folder) and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def cgroups_of(name: str) -> list[Path]:
    """Return the control groups that match a name, and those in them, in every hierarchy; the innermost first."""
    tops = [path for pattern in (name, f"*/{name}") for path in Path("/sys/fs/cgroup").glob(pattern)]
    return sorted((path for top in tops for path in (top, *top.rglob("*")) if path.is_dir()), reverse=True)


def _remove_cgroups(name: str) -> None:
    deadline = time.monotonic() + 10
    while groups := cgroups_of(name):
        for group in groups:
            with contextlib.suppress(OSError):  # busy until its last process is gone
                group.rmdir()
        if time.monotonic() > deadline:
            raise RuntimeError(f"Control groups are still in use: {', '.join(map(str, groups))}")
        time.sleep(0.05)
