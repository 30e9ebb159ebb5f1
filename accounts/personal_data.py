"""Registry of personal data: each app registers how to count, stop, export and erase its part.

This lets accounts be closed and exported without this app depending on the others (docs/architecture.md).
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from accounts.models import User
from auravideo.core.zips import ZipEntry


@dataclass(frozen=True)
class Holding:
    """One line of the summary, such as '12 videos'; `size` in bytes, 0 if not applicable."""

    label: str
    size: int = 0


class Holder:
    """One app's part of a user's data. Apps override what they need and register an instance in `ready`."""

    def summary(self, user: User) -> Iterable[Holding]:
        """Return what would be deleted with the account."""
        return ()

    def stop(self, user: User) -> None:
        """Stop everything running for a user who is deactivated, suspended or leaving. Called more than once."""

    def export(self, user: User) -> Iterable[ZipEntry]:
        """Return the files to include in the user's data export."""
        return ()

    def erase(self, user: User) -> Iterator[None]:
        """Delete rows and files forever, yielding after each item so that the caller may pause.

        Idempotent: safe to rerun after an interruption.
        """
        yield from ()


_holders: list[Holder] = []


def register(holder: Holder) -> None:
    """Register a part. Apps register in the order of INSTALLED_APPS, so dependents come after what they build on."""
    _holders.append(holder)


def holders() -> tuple[Holder, ...]:
    return tuple(_holders)


def summary(user: User) -> list[Holding]:
    return [holding for holder in reversed(_holders) for holding in holder.summary(user)]


def stop(user: User) -> None:
    for holder in _holders:
        holder.stop(user)


def export(user: User) -> Iterator[ZipEntry]:
    for holder in _holders:
        yield from holder.export(user)


def erase(user: User) -> Iterator[None]:
    """Erase every part, last registered first: videos before the jobs that made them."""
    for holder in reversed(_holders):
        yield from holder.erase(user)
