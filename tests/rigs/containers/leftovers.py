"""What a run could leave behind on this machine, taken before and after it."""

import contextlib
import ctypes
import os
import re
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from tests.rigs.containers import folders

_PR_SET_CHILD_SUBREAPER = 36
_NETWORK = ("/proc/net/route", "/proc/net/if_inet6", "/proc/sys/net/ipv4/ip_forward", "/proc/net/ip_tables_names")
_FILES = ("~/.docker", "/var/lib/docker", "/run/docker.sock", "/run/docker", "/run/containerd", "/etc/docker")


def adopt_orphans() -> None:
    """Make this process the parent of all of its descendants that lose theirs, so that none can hide."""
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl")


@dataclass(frozen=True)
class Machine:
    """The traces of engines on this machine; two of them are equal if nothing was left in between."""

    processes: frozenset[str] = field(default_factory=lambda: _processes())
    mounts: frozenset[str] = field(default_factory=lambda: _mounts())
    interfaces: frozenset[str] = field(default_factory=lambda: frozenset(os.listdir("/sys/class/net")))
    network: tuple[str, ...] = field(default_factory=lambda: tuple(map(_text, _NETWORK)))
    files: frozenset[str] = field(default_factory=lambda: frozenset(filter(_exists, _FILES)))


@dataclass(frozen=True)
class Disk:
    """Folders and control groups of engines that are not running."""

    folders: frozenset[Path] = field(default_factory=lambda: frozenset((folders.base() / "engines").glob("*")))
    cgroups: frozenset[Path] = field(default_factory=lambda: frozenset(folders.cgroups_of("auravideo-*")))


def _processes() -> frozenset[str]:
    """Return the living descendants of this process (see `adopt_orphans`)."""
    found = set()
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            if process.status() != psutil.STATUS_ZOMBIE:
                found.add(f"{process.pid} {process.name()}")
    return frozenset(found)


def _mounts() -> frozenset[str]:
    """Return the mounts of this process, without the numbers that the kernel gave them."""
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    return frozenset(re.sub(r"^\d+ \d+ ", "", line) for line in lines)


def _text(path: str) -> str:
    """Return the content of a file of the kernel, or '' if this kernel has none."""
    try:
        return Path(path).read_text()
    except FileNotFoundError:
        return ""


def _exists(path: str) -> bool:
    return Path(path).expanduser().exists()
