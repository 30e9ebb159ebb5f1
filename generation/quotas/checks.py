"""Whether requests are within a user's quotas. `queue.services` asks for every clip, whatever page it comes from."""

from collections.abc import Iterator, Sequence

from accounts.models import User
from generation.quotas import refusals
from generation.quotas.allowance import Allowance
from generation.quotas.ledger import estimated_size
from generation.quotas.selectors import Standing, standing_of
from generation.requests.request import InvalidRequest, RenderRequest


def require(user: User, requests: Sequence[RenderRequest], allowance: Allowance) -> None:
    """Let more requests of a user pass, beyond those that are active and counted.

    Call it with the user's row locked, or parallel requests are not counted.

    Raises:
        TooManyJobs, NoSecondsLeft, NoStorageLeft: they may pass later.
        InvalidRequest: they will not, unless a quota changes.
    """
    for refusal in refused(standing_of(user, allowance), requests):
        raise refusal


def refused(standing: Standing, requests: Sequence[RenderRequest]) -> Iterator[InvalidRequest]:
    """Yield why further requests cannot be queued, one refusal for each quota; those that no time cures come first."""
    if 0 in (standing.allowance.waiting, standing.allowance.seconds_a_day, standing.allowance.storage):
        yield refusals.none_allowed()
        return
    yield from _never(standing.allowance, requests)
    if standing.active + len(requests) > standing.allowance.most_waiting:
        yield refusals.TooManyJobs(standing.active, standing.allowance.most_waiting)
    quota, needed = standing.allowance.seconds_a_day, sum(request.seconds for request in requests)
    if quota is not None and (free_at := standing.free_at(needed)) is not None:
        yield refusals.NoSecondsLeft(needed, standing.seconds_left, quota, free_at)
    size = sum(map(estimated_size, requests))
    if standing.allowance.storage is not None and size > standing.storage_left:
        yield refusals.NoStorageLeft(size, standing.kept, standing.coming, standing.allowance.storage)


def _never(allowance: Allowance, requests: Sequence[RenderRequest]) -> Iterator[InvalidRequest]:
    longest = max((request.seconds for request in requests), default=0)
    if allowance.max_seconds is not None and longest > allowance.max_seconds:
        yield refusals.too_long(allowance.max_seconds)
    side = max((max(request.width, request.height) for request in requests), default=0)
    if allowance.max_side is not None and side > allowance.max_side:
        yield refusals.too_large(allowance.max_side)
    quota, needed = allowance.seconds_a_day, sum(request.seconds for request in requests)
    if quota is not None and needed > quota:
        yield refusals.never_enough(needed, quota)
