"""Fair comparisons on a busy machine: variants take turns, and what counts is their ratio in each turn."""

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Ratio:
    """How many times as long the first variant takes as the second: the median over all turns, and the range."""

    median: float
    least: float
    most: float

    def __str__(self) -> str:
        return f"{self.median:.2f} ({self.least:.2f} to {self.most:.2f})"


def ratio(first: list[float], second: list[float]) -> Ratio:
    """Return the ratio of two variants' seconds, turn by turn."""
    found = sorted(one / other for one, other in zip(first, second, strict=True))
    return Ratio(statistics.median(found), found[0], found[-1])


def take_turns(
    variants: Mapping[str, Callable[[], object]], turns: int, clock: Callable[[], float] = time.process_time
) -> dict[str, list[float]]:
    """Return the seconds of each variant in each turn, after one run of each that does not count.

    `clock` is processor time by default: on a busy machine, the wall clock measures the neighbours.
    """
    seconds: dict[str, list[float]] = {name: [] for name in variants}
    for turn in range(turns + 1):
        names = list(variants) if turn % 2 else list(variants)[::-1]
        for name in names:
            started = clock()
            variants[name]()
            if turn:
                seconds[name].append(clock() - started)
    return seconds
