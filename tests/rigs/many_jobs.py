"""A site with many jobs, of which the services would take hours to make a million."""

from django.utils import timezone

from accounts.models import User
from generation.domain.states import Status
from generation.models import Job

BATCH = 5_000


def make(user: User, total: int, active: int) -> None:
    """Create `total` jobs of a user: `active` ones that are queued, and done ones."""
    now = timezone.now()
    states = [Status.QUEUED] * active + [Status.DONE] * (total - active)
    for begin in range(0, total, BATCH):
        Job.objects.bulk_create(
            Job(user=user, request={}, seed=1, status=state, queued_at=now, ended_at=now, touched_at=now)
            for state in states[begin : begin + BATCH]
        )
