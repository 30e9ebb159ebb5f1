"""What becomes of processes when their parent dies: `serve` must leave nothing behind, however it ends.

On Linux the kernel sees to it (prctl(2)). Elsewhere, our processes look now and then whether their supervisor is alive.
"""

import os
import signal
import threading
import time
from collections.abc import Callable

from auravideo.core.machine.operating_system import has_process_control, process_control

SUPERVISOR = "AURAVIDEO_SUPERVISOR"  # the process that started this one, where the kernel does not tell of its death
LOOK_SECONDS = 1.0
_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36


def before_exec() -> Callable[[], None] | None:
    """Return what a child has to call before exec, so that it gets SIGTERM when its parent dies."""
    return die_with_parent if has_process_control() else None


def environment() -> dict[str, str]:
    """Return the variables by which a child knows whose death to look for (`follow`); none where the kernel tells."""
    return {} if has_process_control() else {SUPERVISOR: str(os.getpid())}


def follow() -> None:
    """End this process, as SIGTERM does, when its supervisor is gone. Does nothing if nobody asked for it."""
    supervisor = os.environ.pop(SUPERVISOR, "")  # not for its own children, whose parent is another
    if supervisor:
        threading.Thread(target=_follow, args=(int(supervisor),), name="follow", daemon=True).start()


def adopt_orphans() -> None:
    """Become the parent of all descendants whose own parent dies, so that this process can wait for them."""
    process_control(_PR_SET_CHILD_SUBREAPER, 1)


def die_with_parent(number: int = signal.SIGTERM) -> None:
    """Request a signal on the parent's death. For a child, before exec; where the kernel cannot, nothing happens.

    A stopped process gets no SIGTERM until it is continued, which nobody does once its parent is gone: a child that has
    nothing to put away asks for SIGKILL.
    """
    process_control(_PR_SET_PDEATHSIG, number)


def _follow(supervisor: int) -> None:
    while os.getppid() == supervisor:
        time.sleep(LOOK_SECONDS)
    os.kill(os.getpid(), signal.SIGTERM)
