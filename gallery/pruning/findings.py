"""A finding, and the kinds of leftovers that are looked for."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """Something that can be deleted: its `name`, `why`, its `size` in bytes, and how many things it stands for."""

    name: str
    why: str
    size: int = 0
    count: int = 1


@dataclass(frozen=True)
class Sweep:
    """One kind of leftover.

    `find(after)` yields what there is, ordered by name and beginning behind the name `after`; what need not be deleted
    is passed over with None, so that whoever counts the time can stop there. `remove` is safe to repeat. A sweep that
    `asks` is run only when it is named: it deletes what a person may still miss.
    """

    id: str
    about: str
    find: Callable[[str], Iterator[tuple[str, Finding | None]]]
    remove: Callable[[Finding], None]
    asks: bool = False
