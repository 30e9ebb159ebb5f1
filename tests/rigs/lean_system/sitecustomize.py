"""A system without what only Linux has, for every Python process whose PYTHONPATH begins with this folder.

Absent are: the calls of the list below, prctl(2) in the C library, everything under /proc and /sys, epoll, and the
programs that only macOS has. `sys.platform` stays as it is: the standard library itself would load modules of macOS.
"""

import ctypes
import os
import resource
import select
import signal
import socket
import sys

ABSENT = {
    os: (
        "sched_getaffinity sched_setaffinity sched_setscheduler sched_getscheduler pidfd_open memfd_create eventfd "
        "posix_fadvise posix_fallocate getresuid setresuid pipe2 copy_file_range splice O_TMPFILE O_PATH getrandom "
        "setns unshare"
    ),
    select: "epoll",
    signal: "sigtimedwait sigwaitinfo pidfd_send_signal SIGSTKFLT SIGPOLL SIGPWR SIGCLD SIGRTMIN SIGRTMAX",
    socket: "TCP_KEEPIDLE TCP_USER_TIMEOUT TCP_QUICKACK TCP_DEFER_ACCEPT SO_PEERCRED SO_DOMAIN AF_NETLINK AF_PACKET",
    resource: "prlimit RLIMIT_NICE RLIMIT_RTPRIO RLIMIT_SIGPENDING",
}
_FORBIDDEN = ("/proc", "/sys/")
_OPENING = {"open", "os.listdir", "os.scandir"}

for module, names in ABSENT.items():
    for name in names.split():
        if hasattr(module, name):
            delattr(module, name)

_getattr = ctypes.CDLL.__getattr__


def _without_prctl(library: ctypes.CDLL, name: str):
    if name == "prctl":
        raise AttributeError("dlsym: symbol not found: prctl")
    return _getattr(library, name)


ctypes.CDLL.__getattr__ = _without_prctl


def _refuse(event: str, arguments: tuple) -> None:
    if event in _OPENING and isinstance(arguments[0], str) and arguments[0].startswith(_FORBIDDEN):
        raise FileNotFoundError(2, "No such file or directory", arguments[0])


sys.addaudithook(_refuse)
