"""Who is told of a death (Linux, prctl(2)): a child of its parent's, and an ancestor of those left without a parent."""

import ctypes
import signal

_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36


def die_with_parent() -> None:
    """Request SIGTERM on the parent's death (runs in the child before exec), so a killed `serve` leaves nothing."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def adopt_orphans() -> None:
    """Become the parent of all descendants whose own parent dies, so that this process can wait for them."""
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1)
