"""What one user may use: the values of their quotas, combined. No database."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from django.conf import settings

from generation.models import Quota
from generation.requests import available
from generation.requests.limits import Limits

MEGABYTE = 2**20  # as pages write sizes, so that a quota reads as it was set


@dataclass(frozen=True, slots=True)
class Allowance:
    """What a user may use; None where nothing but the site limits it. `storage` in bytes, `max_side` in pixels."""

    waiting: int | None = None
    seconds_a_day: int | None = None
    max_side: int | None = None
    max_seconds: int | None = None
    storage: int | None = None

    @property
    def is_limited(self) -> bool:
        """Return whether any quota holds."""
        return self != UNLIMITED

    @property
    def most_waiting(self) -> int:
        """Return how many clips may wait or render at a time: by the quota, but no more than the site allows."""
        return min(settings.MAX_ACTIVE_JOBS, settings.MAX_ACTIVE_JOBS if self.waiting is None else self.waiting)

    @property
    def limits(self) -> Limits:
        """Return the site's limits, or the user's own where they are lower."""
        found = available.limits()
        if self.max_side is not None and self.max_side < found.max_side:
            found = replace(found, max_side=self.max_side, is_own_side=True)
        if self.max_seconds is not None and self.max_seconds < found.max_seconds:
            found = replace(found, max_seconds=self.max_seconds, is_own_seconds=True)
        return found


UNLIMITED = Allowance()


def combine(own: Quota | None, groups: Iterable[Quota], everybody: Quota | None) -> Allowance:
    """Return what holds for a user: of each field, their own value, their most generous group's, or everybody's.

    Args:
        everybody: None for superusers, whom only their own quota limits.
    """
    if own is not None and own.is_unlimited:
        return UNLIMITED
    groups = list(groups)
    shared = [] if any(group.is_unlimited for group in groups) else groups
    rest = None if len(shared) < len(groups) or (everybody is not None and everybody.is_unlimited) else everybody

    def value(read: Callable[[Quota], int | None]) -> int | None:
        if own is not None and (found := read(own)) is not None:
            return found
        given = [found for group in shared if (found := read(group)) is not None]
        if given:
            return max(given)
        return read(rest) if rest is not None else None

    return Allowance(
        waiting=value(lambda quota: quota.waiting),
        seconds_a_day=value(lambda quota: quota.seconds_a_day),
        max_side=value(lambda quota: quota.max_side),
        max_seconds=value(lambda quota: quota.max_seconds),
        storage=value(lambda quota: None if quota.storage_mb is None else quota.storage_mb * MEGABYTE),
    )
