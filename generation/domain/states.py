"""The states of a job and the moves between them. Pure: no Django, no database."""

from enum import StrEnum


class Status(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Stage(StrEnum):
    """A step of rendering. What is known of each stands in generation/domain/stages.py."""

    PREPROCESS = "preprocess"
    GENERATE = "generate"
    INTERPOLATE = "interpolate"
    UPSCALE = "upscale"
    ASSEMBLE = "assemble"


class RunStatus(StrEnum):
    """How one attempt at one stage of one chunk went."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    LOST = "lost"
    CANCELLED = "cancelled"
    DISCARDED = "discarded"  # done, but its output was deleted since


ACTIVE = frozenset({Status.QUEUED, Status.RUNNING})
ENDED = frozenset({Status.DONE, Status.FAILED, Status.CANCELLED})
NEWS = frozenset({Status.DONE, Status.FAILED})  # ends that the person who asked has yet to see

# Ended is ended, with one exception that a person asks for: retry. A running job goes back to queued when the worker
# that held it was lost.
_MOVES: dict[Status, frozenset[Status]] = {
    Status.QUEUED: frozenset({Status.RUNNING, Status.FAILED, Status.CANCELLED}),
    Status.RUNNING: frozenset({Status.QUEUED, Status.DONE, Status.FAILED, Status.CANCELLED}),
    Status.DONE: frozenset(),
    Status.FAILED: frozenset({Status.QUEUED}),
    Status.CANCELLED: frozenset({Status.QUEUED}),
}

MAX_ATTEMPTS = 3  # at one stage of one chunk, before the job fails


def can_move(old: Status, new: Status) -> bool:
    """Whether a job may go from `old` to `new`."""
    return new in _MOVES[old]
