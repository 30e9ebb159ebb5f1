"""The states of a job and the transitions between them. Pure: no Django, no database."""

from enum import StrEnum


class Status(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Stage(StrEnum):
    """A stage of rendering; generation/domain/stages.py describes each one."""

    PREPROCESS = "preprocess"
    GENERATE = "generate"
    INTERPOLATE = "interpolate"
    UPSCALE = "upscale"
    ASSEMBLE = "assemble"


class RunStatus(StrEnum):
    """The state of one attempt at one stage of one chunk."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    LOST = "lost"
    CANCELLED = "cancelled"
    DISCARDED = "discarded"  # done, but its output has since been deleted


ACTIVE = frozenset({Status.QUEUED, Status.RUNNING})
ENDED = frozenset({Status.DONE, Status.FAILED, Status.CANCELLED})
NEWS = frozenset({Status.DONE, Status.FAILED})  # outcomes to notify the owner of

# Ended jobs stay ended unless their owner retries them. A running job returns to queued if its worker is lost.
_MOVES: dict[Status, frozenset[Status]] = {
    Status.QUEUED: frozenset({Status.RUNNING, Status.FAILED, Status.CANCELLED}),
    Status.RUNNING: frozenset({Status.QUEUED, Status.DONE, Status.FAILED, Status.CANCELLED}),
    Status.DONE: frozenset(),
    Status.FAILED: frozenset({Status.QUEUED}),
    Status.CANCELLED: frozenset({Status.QUEUED}),
}

MAX_ATTEMPTS = 3  # at one stage of one chunk, before the job fails
MAX_CARD_FAILURES = 5  # the same for failures of the graphics card, which are rarely the clip's fault


def can_move(old: Status, new: Status) -> bool:
    """Return whether a job may move from `old` to `new`."""
    return new in _MOVES[old]
