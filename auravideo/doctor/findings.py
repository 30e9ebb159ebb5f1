"""What the checks found: one line of the table that `manage.py doctor` prints."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from django.db import connections

SECONDS = 10.0  # for one check; a service that hangs must not hang the doctor


class State(StrEnum):
    OK = "ok"
    WARNING = "warning"  # the site runs, but not as it should
    FAILED = "failed"
    SKIPPED = "skipped"  # does not apply to this installation


@dataclass(frozen=True)
class Finding:
    """One check. `fix` says what to do, if anything is wrong."""

    check: str
    state: State
    detail: str = ""
    fix: str = ""


class Problem(Exception):
    """What a check raises to say what is wrong, and what to do about it."""

    def __init__(self, detail: str, fix: str, state: State = State.FAILED) -> None:
        super().__init__(detail)
        self.detail, self.fix, self.state = detail, fix, state


class NotApplicable(Exception):
    """What a check raises if it does not apply to this installation."""


# Its name, a function that returns a detail or raises, and the seconds that it may take at least, if it is a slow one.
Check = tuple[str, Callable[[], str]] | tuple[str, Callable[[], str], float]


def carry_out(checks: Sequence[Check], seconds: float = SECONDS) -> list[Finding]:
    """Run all checks at once and return what each found, in their order, within about `seconds`; slow ones get more."""
    runs = [_Run(name, check, max([seconds, *least])) for name, check, *least in checks]
    for run in runs:
        run.start()
    began = time.monotonic()
    for run in runs:
        run.join(max(0.0, began + run.seconds - time.monotonic()))
    return [run.finding or _unanswered(run.check_name, run.seconds) for run in runs]


class _Run(threading.Thread):
    """One check, in a thread that does not keep the process alive if it hangs."""

    def __init__(self, name: str, check: Callable[[], str], seconds: float) -> None:
        super().__init__(name=name, daemon=True)
        self.check_name, self.check, self.seconds = name, check, seconds
        self.finding: Finding | None = None

    def run(self) -> None:
        try:
            self.finding = _examine(self.check_name, self.check)
        finally:
            connections.close_all()


def _examine(name: str, check: Callable[[], str]) -> Finding:
    try:
        return Finding(name, State.OK, check())
    except Problem as problem:
        return Finding(name, problem.state, problem.detail, problem.fix)
    except NotApplicable as reason:
        return Finding(name, State.SKIPPED, str(reason))
    except Exception as error:  # a check that breaks is a finding too
        return Finding(name, State.FAILED, brief(error), "See the error; if it is not clear, report it as a bug.")


def _unanswered(name: str, seconds: float) -> Finding:
    fix = "Find out why it hangs: a firewall that drops packets, a full disk, a lock."
    return Finding(name, State.FAILED, f"did not finish within {seconds:g} s", fix)


def brief(error: BaseException) -> str:
    """Return an error in one line."""
    return " ".join(str(error).split()) or type(error).__name__
