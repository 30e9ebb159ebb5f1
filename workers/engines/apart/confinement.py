"""Takes files and network away from this process, for good, where the kernel can (Landlock, Linux 5.13 and later).

Landlock also keeps it from looking into processes outside, so that their memory and environment stay out of reach even
though they belong to the same user. The numbers are those of linux/landlock.h.
"""

import ctypes
import logging
import os
import struct
from collections.abc import Iterable
from pathlib import Path

logger = logging.getLogger(__name__)

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_VERSION, _PATH_BENEATH = 1, 1
_NO_NEW_PRIVS = 38

_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1, 2, 4, 8
_FIRST = (1 << 13) - 1  # all rights of the first version: the above, and making and removing files
_SINCE = {2: 1 << 13, 3: 1 << 14}  # REFER, TRUNCATE
_OF_FILES = _EXECUTE | _WRITE_FILE | _READ_FILE | 1 << 14
_TCP_SINCE, _TCP = 4, 3  # BIND_TCP and CONNECT_TCP


def confine(readable: Iterable[Path], writable: Iterable[Path]) -> bool:
    """Let this thread, and those it starts, open nothing but what is below these paths. Return whether that was done.

    Paths that do not exist are left out. What is open already stays open. Without Landlock nothing changes.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    version = libc.syscall(_CREATE_RULESET, None, 0, _VERSION)
    if version < 1:
        logger.info("This kernel has no Landlock: models are loaded with the rights of the worker")
        return False
    handled = _FIRST | sum(bit for since, bit in _SINCE.items() if version >= since)
    attributes = struct.pack("QQ", handled, _TCP if version >= _TCP_SINCE else 0)
    ruleset = libc.syscall(_CREATE_RULESET, attributes, len(attributes) if version >= _TCP_SINCE else 8, 0)
    if ruleset < 0:
        return False
    try:
        for path in readable:
            _allow(libc, ruleset, path, handled & (_EXECUTE | _READ_FILE | _READ_DIR))
        for path in writable:
            _allow(libc, ruleset, path, handled)
        if libc.prctl(_NO_NEW_PRIVS, 1, 0, 0, 0) or libc.syscall(_RESTRICT_SELF, ruleset, 0):
            logger.warning("Landlock refused: %s", os.strerror(ctypes.get_errno()))
            return False
    finally:
        os.close(ruleset)
    return True


def _allow(libc: ctypes.CDLL, ruleset: int, path: Path, rights: int) -> None:
    try:
        file = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    try:
        rights &= rights if path.is_dir() else _OF_FILES
        rule = struct.pack("=Qi", rights, file)
        if libc.syscall(_ADD_RULE, ruleset, _PATH_BENEATH, rule, 0):
            logger.warning("Landlock has no rule for %s: %s", path, os.strerror(ctypes.get_errno()))
    finally:
        os.close(file)
