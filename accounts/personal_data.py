"""What the apps hold of a person: each registers how to count, stop, export and erase its part.

So an account can be closed and its data handed out without this app knowing the others (docs/architecture.md).
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from accounts.models import User
from auravideo.core.zips import Entry


@dataclass(frozen=True)
class Holding:
    """One line of what the person is told beforehand, such as '12 videos'; `size` in bytes, 0 where it says nothing."""

    label: str
    size: int = 0


class Holder:
    """One app's part of a person's data. An app overrides what it needs and registers an instance when it is ready."""

    def summary(self, user: User) -> Iterable[Holding]:
        """What would go with the account."""
        return ()

    def stop(self, user: User) -> None:
        """End what runs for the person, who has left. Called more than once."""

    def export(self, user: User) -> Iterable[Entry]:
        """The files that the person gets with their data."""
        return ()

    def erase(self, user: User) -> Iterator[None]:
        """Delete rows and files for good, yielding after each item, so that the caller may pause there.

        It is begun anew after an interruption: what is gone already is no error.
        """
        yield from ()


_holders: list[Holder] = []


def register(holder: Holder) -> None:
    """Add a part. Apps register in the order of INSTALLED_APPS: what builds on another app comes later."""
    _holders.append(holder)


def holders() -> tuple[Holder, ...]:
    return tuple(_holders)


def summary(user: User) -> list[Holding]:
    return [holding for holder in reversed(_holders) for holding in holder.summary(user)]


def stop(user: User) -> None:
    for holder in _holders:
        holder.stop(user)


def export(user: User) -> Iterator[Entry]:
    for holder in _holders:
        yield from holder.export(user)


def erase(user: User) -> Iterator[None]:
    """Erase every part, last registered first: videos before the jobs that made them."""
    for holder in reversed(_holders):
        yield from holder.erase(user)
