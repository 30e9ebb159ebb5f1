"""How a worker's child tells its parent that it advances: the moment by which its next sign is due, in shared memory.

Shared memory, because a child that is stuck in C code can answer nobody, and a full disk takes no files. Moments are
those of CLOCK_MONOTONIC, which all processes of a machine share and nobody sets. In any other process nothing happens.
"""

import ctypes
import mmap
import os
import time
from dataclasses import dataclass

SLOTS = 64  # children of one worker that can be watched


class _Slot(ctypes.Structure):
    _fields_ = [("pid", ctypes.c_int64), ("claim", ctypes.c_int64), ("due", ctypes.c_double)]  # due: 0 while idle


@dataclass(frozen=True)
class Sign:
    """What a child said last. `claim`: the key of its StageRun, or 0; `due`: when the next sign is due."""

    pid: int
    claim: int
    due: float


_board: "ctypes.Array[_Slot] | None" = None
_mine: _Slot | None = None
_allowance = 0.0


def open_board() -> None:
    """Make the memory that children inherit. For a worker's parent, before it forks them."""
    global _board
    kind = _Slot * SLOTS
    _board = kind.from_buffer(mmap.mmap(-1, ctypes.sizeof(kind)))


def take_slot(index: int) -> None:
    """Take the slot of a new child, whose predecessor with the same index is gone."""
    global _mine
    if _board is None or not 0 <= index < SLOTS:
        return
    _mine = _board[index]
    _mine.due, _mine.claim, _mine.pid = 0.0, 0, os.getpid()


def expect(seconds: float) -> None:
    """Say that this process advances, and that its next sign comes within `seconds`."""
    global _allowance
    _allowance = seconds
    advance()


def advance() -> None:
    """Say that this process advances, as often as it likes: bytes were moved, an outage is waited for."""
    if _mine is not None and _allowance:
        _mine.due = time.monotonic() + _allowance


def hold(claim: int) -> None:
    """Say which claim this process works on; 0 for none."""
    if _mine is not None:
        _mine.claim = claim


def rest() -> None:
    """Say that this process has nothing to do."""
    global _allowance
    _allowance = 0.0
    if _mine is not None:
        _mine.due, _mine.claim = 0.0, 0


def signs() -> list[Sign]:
    """Return the last signs of all children that are busy."""
    slots = [] if _board is None else list(_board)
    return [Sign(slot.pid, slot.claim, slot.due) for slot in slots if slot.due]
