"""An attempt to harm the site, and the judges that decide by its effect whether it succeeded.

A judge is declared with evidence that it must condemn and evidence that it must acquit, and `test_judges.py` shows it
both. So a class of attacks whose judge cannot fail is a failing test.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

Judgement = Callable[[Any], str]


@dataclass(frozen=True)
class Judge:
    """Decides whether an attack succeeded: returns what it achieved, or "" if nothing.

    `condemns` and `acquits` are evidence of which the verdict is known.
    """

    name: str
    decide: Judgement
    condemns: tuple[Any, ...]
    acquits: tuple[Any, ...]

    def __call__(self, evidence: Any) -> str:
        return self.decide(evidence)


@dataclass(frozen=True)
class Attempt:
    """One attack: what reproduces it, what carries it out and returns the evidence, and who judges that."""

    description: str
    act: Callable[[], Any]
    judge: Judge


@dataclass
class Tally:
    """What became of the attempts of a class."""

    attempts: int = 0
    successes: list[str] = field(default_factory=list)


JUDGES: dict[str, Judge] = {}


def judge(condemns: list[Any], acquits: list[Any]) -> Callable[[Judgement], Judge]:
    """Declare a judge, with evidence for its own test."""

    def declare(decide: Judgement) -> Judge:
        name = f"{decide.__module__.rpartition('.')[2]}.{decide.__name__}"
        JUDGES[name] = Judge(name, decide, tuple(condemns), tuple(acquits))
        return JUDGES[name]

    return declare


def carry_out(attempts: Iterator[Attempt], most: int | None = None) -> Tally:
    """Carry out attempts in turn, all or the first `most`."""
    tally = Tally()
    for attempt in attempts:
        achieved = attempt.judge(attempt.act())
        tally.attempts += 1
        if achieved:
            tally.successes.append(f"{attempt.description}: {achieved}")
        if tally.attempts == most:
            break
    return tally
