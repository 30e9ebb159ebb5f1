"""Whose clip is generated next: decided when a worker is free, not when the clip was submitted.

A message of `generate` is a ticket: one clip waits in this queue. The worker that takes it serves the user who has the
fewest clips being generated; among those, whoever was served longest ago; and of that user, the first clip in their own
order (generation/own_queue). Who has paused their queue is not served. Each waiting clip has sent one message, so there
are as many as there are clips, whoever is served first. One message too many finds nobody; one too few is noticed by
the sweeper (`without_ticket`).
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from django.db.models import Count, Exists, Max, Min, OuterRef, Q, QuerySet, Subquery

from accounts.models import User
from generation.domain.states import ACTIVE, RunStatus, Stage, Status
from generation.models import Job, StageRun

NOT_PAUSED = Q(user__queue_paused_at=None)  # nothing is started of a user whose queue is paused
NEEDS_A_MESSAGE = NOT_PAUSED | ~Q(status=Status.QUEUED) | Q(waits_in="")

_NEVER, _ALWAYS = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)


def enter(job: Job, queue: str) -> None:
    """Let a job wait in a queue of `generate`, before the message that tells of it is sent."""
    _waiting(pk=job.pk, run=job.run).update(waits_in=queue)


def move(job: Job, queue: str) -> None:
    """Let a waiting job wait in another queue, since a larger worker has to run it."""
    _waiting(pk=job.pk, run=job.run).exclude(waits_in="").update(waits_in=queue)


def next_job(queue: str, ticket: tuple[UUID, int], besides: Collection[UUID] = ()) -> Job | None:
    """Return the job whose turn it is; None if nobody waits.

    Args:
        queue: where the message stood.
        ticket: (job ID, run) of the message.
        besides: jobs that turned out to be taken.
    """
    # An earlier version sent this message: its job is not in the line, so nobody else would ever serve it.
    claimed = StageRun.objects.filter(job=OuterRef("pk"), run=OuterRef("run"), stage=Stage.GENERATE)
    outside = Job.objects.filter(pk=ticket[0], run=ticket[1], waits_in="", status__in=ACTIVE).exclude(pk__in=besides)
    if job := outside.filter(NOT_PAUSED | Q(status=Status.RUNNING)).exclude(Exists(claimed)).first():
        return job
    waiting = _waiting(waits_in=queue).filter(NOT_PAUSED).exclude(pk__in=besides)
    first = dict(waiting.order_by().values_list("user").annotate(Min("queued_at")))
    if not first:
        return None
    busy, served = _generating(), _served(first)
    chosen = min(first, key=lambda user: (busy[user], served.get(user) or _NEVER, first[user]))
    return waiting.filter(user=chosen).order_by("queued_at").first()


def _waiting(**which: object) -> QuerySet[Job]:
    return Job.objects.filter(status=Status.QUEUED, **which)


def _generating() -> Counter[int]:
    """Return how many clips of each user are being generated."""
    running = StageRun.objects.filter(stage=Stage.GENERATE, status=RunStatus.RUNNING)
    return Counter(running.values_list("job__user", flat=True))


def _served(users: Iterable[int]) -> dict[int, datetime | None]:
    """Return when a clip of each user was last started."""
    started = Job.objects.filter(user=OuterRef("pk"), started_at__isnull=False).order_by("-started_at")
    last = Subquery(started.values("started_at")[:1])
    return dict(User.objects.filter(pk__in=list(users)).values_list("pk", last))


def ahead_of(job: Job) -> int:
    """Return how many clips of the same user were started before this one and are still being rendered."""
    running = Job.objects.filter(user=job.user_id, status=Status.RUNNING).exclude(pk=job.pk)
    return running.filter(started_at__lt=job.started_at).count() if job.started_at else 0


def without_ticket(jobs: Iterable[Job], tickets: Mapping[str, int]) -> list[Job]:
    """Return those of some jobs without a message of their own that nobody would continue.

    A job that waits for its turn needs no message of its own, only as many in its queue as there are waiting jobs.

    Args:
        tickets: the number of messages of `generate` in each queue.
    """
    waiting = _waiting().filter(NOT_PAUSED).exclude(waits_in="").order_by()
    counts = dict(waiting.values_list("waits_in").annotate(Count("pk")))
    lacking = {queue: count - tickets.get(queue, 0) for queue, count in counts.items()}
    found = []
    for job in sorted(jobs, key=lambda job: job.queued_at):
        if job.waits_in and job.status == Status.QUEUED:
            if lacking.get(job.waits_in, 0) <= 0:
                continue
            lacking[job.waits_in] -= 1
        found.append(job)
    return found


# --- Places -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Line:
    """How many clips of each user are `queued`, whose turn comes `earlier`, and how many clips are `rendering`.

    `earlier` is compared: when a user was served last, as far as that clip is still active, then the first queued clip.
    """

    queued: Mapping[int, int]
    earlier: Mapping[int, tuple[datetime, datetime]]
    rendering: int

    def clips_before(self, user_id: int) -> int:
        """Return how many clips, rendering ones included, come before one that a user would queue now."""
        return self.rendering + self.ahead_of(user_id, self.queued.get(user_id, 0))

    def ahead_of(self, user_id: int, own: int) -> int:
        """Return how many queued clips are served before one of a user, if all clips take equally long.

        Args:
            own: how many of the user's own queued clips are ahead of it.
        """
        mine = self.earlier.get(user_id, (_NEVER, _ALWAYS))
        others = {other: count for other, count in self.queued.items() if other != user_id}
        return own + sum(min(count, own + (self.earlier[other] < mine)) for other, count in others.items())


def line() -> Line:
    """Return who waits now, in one query."""
    queued = Q(status=Status.QUEUED)
    rows = (
        Job.objects.filter(NOT_PAUSED | Q(status=Status.RUNNING), status__in=ACTIVE)
        .order_by()
        .values("user")
        .annotate(
            waiting=Count("pk", filter=queued),
            active=Count("pk"),
            served=Max("started_at"),
            since=Min("queued_at", filter=queued),
        )
    )
    found = list(rows)
    return Line(
        queued={row["user"]: row["waiting"] for row in found if row["waiting"]},
        earlier={row["user"]: (row["served"] or _NEVER, row["since"] or _ALWAYS) for row in found},
        rendering=sum(row["active"] - row["waiting"] for row in found),
    )
