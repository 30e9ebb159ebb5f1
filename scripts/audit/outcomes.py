"""What a part of the audit found."""

from dataclasses import dataclass
from enum import IntEnum


class State(IntEnum):
    """Its exit code. What could not be checked is not clean, but it is not a finding either."""

    CLEAN = 0
    FOUND = 1
    UNCHECKED = 3


@dataclass(frozen=True)
class Outcome:
    """What one part of the audit found.

    Attributes:
        part: its name.
        text: one sentence.
        details: a line per finding; never a secret itself.
    """

    part: str
    state: State
    text: str
    details: tuple[str, ...] = ()

    def __str__(self) -> str:
        marked = f"NOT CHECKED. {self.text}" if self.state is State.UNCHECKED else self.text
        return "\n".join([f"{self.part}: {marked}", *(f"    {line}" for line in self.details)])


def exit_code(outcomes: list[Outcome]) -> int:
    """Return 1 if anything was found, otherwise 3 if something could not be checked, otherwise 0."""
    states = {outcome.state for outcome in outcomes}
    return next((int(state) for state in (State.FOUND, State.UNCHECKED) if state in states), 0)
