"""What a check of a storage found: one line of the table that `manage.py check_storage` prints."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from auravideo.core.s3 import ERRORS
from auravideo.core.storage import StorageUnavailable


class State(StrEnum):
    WORKS = "works"
    WARNING = "warning"  # the site runs, but something is missing that it would be better to have
    FAILED = "failed"


@dataclass(frozen=True)
class Finding:
    """One check. `fix` says what to do, if anything is wrong."""

    storage: str
    check: str
    state: State = State.WORKS
    detail: str = ""
    fix: str = ""


class Problem(Exception):
    """What a check raises to say what is wrong and what to do about it."""

    def __init__(self, detail: str, fix: str, state: State = State.FAILED) -> None:
        super().__init__(detail)
        self.detail, self.fix, self.state = detail, fix, state


Step = tuple[str, Callable[[], str]]  # the name of a check, and the check: it returns a detail or raises


def carry_out(storage: str, steps: list[Step], advise: Callable[[Exception], str]) -> Iterator[Finding]:
    """Run `steps` in order and yield what each found; `advise` returns the fix for an unexpected error."""
    for check, step in steps:
        try:
            finding = Finding(storage, check, detail=step())
        except Problem as problem:
            finding = Finding(storage, check, problem.state, problem.detail, problem.fix)
        except (StorageUnavailable, OSError, *ERRORS) as error:
            finding = Finding(storage, check, State.FAILED, brief(error), advise(error))
        yield finding


def cause(error: BaseException) -> BaseException:
    """Return the error behind a StorageUnavailable, or the error itself."""
    return error.__cause__ if isinstance(error, StorageUnavailable) and error.__cause__ else error


def brief(error: BaseException) -> str:
    return " ".join(str(cause(error)).split()) or type(error).__name__
