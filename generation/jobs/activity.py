"""The activity panel on every page: a user's job counts, first active jobs and last ended ones."""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from uuid import UUID

from django.db.models import BooleanField, Case, Count, ExpressionWrapper, Q, QuerySet, When

from accounts.models import User
from generation.domain.states import ACTIVE, ENDED, NEWS, Status
from generation.jobs.selectors import Progress, listed_jobs_of, place_all, progress_of, video_of
from generation.models import Job

ACTIVE_ROWS = 3
ENDED_ROWS = 4

# Filters of the job list, by their name in the query string.
FILTERS: Mapping[str, frozenset[Status]] = {
    "all": ACTIVE | ENDED,
    "active": ACTIVE,
    "finished": frozenset({Status.DONE}),
    "failed": frozenset({Status.FAILED}),
    "cancelled": frozenset({Status.CANCELLED}),
}


@dataclass(frozen=True)
class Counts:
    """A user's listed jobs: counts by state, and how many ended with an outcome not yet seen (`new`)."""

    by_status: Mapping[Status, int]
    new: int

    @property
    def active(self) -> int:
        return self.of("active")

    def of(self, name: str) -> int:
        """Return how many jobs the filter `name`, one of `FILTERS`, shows."""
        return sum(self.by_status.get(status, 0) for status in FILTERS[name])


@dataclass(frozen=True)
class Row:
    """One job in the panel. `progress` is None once it has ended."""

    job: Job
    progress: Progress | None
    video: object | None


@dataclass(frozen=True)
class Panel:
    counts: Counts
    active: tuple[Row, ...]
    ended: tuple[Row, ...]

    @property
    def rows(self) -> tuple[Row, ...]:
        return self.active + self.ended

    @property
    def more_active(self) -> int:
        """Return the number of active jobs not listed in the panel."""
        return max(0, self.counts.active - len(self.active))

    @property
    def more_new(self) -> int:
        """Return the number of new outcomes not listed in the panel."""
        return max(0, self.counts.new - sum(row.job.is_new for row in self.ended))


def counts_of(user: User) -> Counts:
    """Return the counts of a user's listed jobs, in one index-only query."""
    return counts_by_user([user.pk])[user.pk]


def counts_by_user(user_ids: Collection[int]) -> dict[int, Counts]:
    """Return the counts of some users' listed jobs, in one index-only query."""
    unseen = ExpressionWrapper(Q(seen_at=None), BooleanField())
    jobs = Job.objects.filter(user__in=user_ids, removed_at=None).order_by()
    by_status: dict[int, Counter[Status]] = {user_id: Counter() for user_id in user_ids}
    new: Counter[int] = Counter()
    rows = jobs.annotate(unseen=unseen).values_list("user", "status", "unseen").annotate(n=Count("*"))
    for user_id, status, is_unseen, n in rows:
        by_status[user_id][Status(status)] += n
        new[user_id] += n if is_unseen and status in NEWS else 0
    return {user_id: Counts(found, new[user_id]) for user_id, found in by_status.items()}


def panel_of(user: User, counts: Counts | None = None) -> Panel:
    """Return a user's panel, in at most five queries: running jobs first, then waiting ones in queue order."""
    counts = counts or counts_of(user)
    first = first_of(user, counts)
    return arranged(counts, place_all(listed_jobs_of(user).filter(pk__in=first)) if first is not None else [])


def first_of(user: User, counts: Counts) -> QuerySet[Job, UUID] | None:
    """Return a query of the IDs of the jobs in a user's panel; None if there are none."""
    if not counts.active and not _any_news(counts):
        return None
    jobs = Job.objects.filter(user=user, removed_at=None)
    waits = Case(When(status=Status.RUNNING, then=0), default=1)
    active = jobs.filter(status__in=ACTIVE).order_by(waits, "queued_at")
    ended = jobs.filter(status__in=NEWS, ended_at__isnull=False).order_by("-ended_at")
    first = Q(pk__in=active.values("pk")[:ACTIVE_ROWS]) | Q(pk__in=ended.values("pk")[:ENDED_ROWS])
    return jobs.filter(first).order_by().values_list("pk", flat=True)


def arranged(counts: Counts, jobs: Iterable[Job], progress: Callable[[Job], Progress] = progress_of) -> Panel:
    """Return the panel of the jobs of `first_of`."""
    shown = list(jobs)
    active = sorted(
        (job for job in shown if job.is_active),
        key=lambda job: (job.status != Status.RUNNING, job.queued_at),
    )
    ended = sorted(
        (job for job in shown if not job.is_active), key=lambda job: job.ended_at or job.touched_at, reverse=True
    )
    rows = tuple(active_row(job, progress(job)) for job in active)
    return Panel(counts, rows, tuple(ended_row(job) for job in ended))


def active_row(job: Job, progress: Progress | None = None) -> Row:
    return Row(job, progress or progress_of(job), None)


def ended_row(job: Job) -> Row:
    return Row(job, None, video_of(job))


def _any_news(counts: Counts) -> bool:
    return any(counts.by_status.get(status) for status in NEWS)
