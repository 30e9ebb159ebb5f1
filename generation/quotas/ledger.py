"""The only writer of the ledger: what users' clips cost their quotas."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import timedelta
from math import ceil
from typing import Any
from uuid import UUID

from django.db.models import BooleanField, Case, ExpressionWrapper, F, Q, QuerySet, When
from django.db.models.functions import Now

from auravideo.core.media.formats import BYTES_A_PIXEL
from generation.domain.states import ACTIVE, RunStatus, Stage, Status
from generation.models import Job, LedgerEntry, StageRun
from generation.requests.request import RenderRequest

DAY = timedelta(days=1)
GIVEN_BACK = (Status.FAILED, Status.CANCELLED)


def estimated_size(request: RenderRequest) -> int:
    """Return about how many bytes a clip will take up, for clips that are not finished yet."""
    frames = request.seconds * request.fps
    return round(request.width * request.height * frames * BYTES_A_PIXEL.get(request.format, 0.1))


def enter(jobs: Sequence[Job], requests: Sequence[RenderRequest]) -> None:
    """Count jobs that are being queued, in one statement."""
    LedgerEntry.objects.bulk_create(
        LedgerEntry(
            user_id=job.user_id, job=job, seconds=request.seconds, size=estimated_size(request), counted_at=Now()
        )
        for job, request in zip(jobs, requests, strict=True)
    )


def enter_again(job: Job, request: RenderRequest) -> None:
    """Count a job that is queued again, from now on."""
    before = LedgerEntry.objects.filter(_recent(), job=job).values_list("spent", flat=True).first() or 0
    facts = {
        "spent": before,
        "user_id": job.user_id,
        "seconds": request.seconds,
        "size": estimated_size(request),
        "counted_at": Now(),
    }
    LedgerEntry.objects.update_or_create(job=job, defaults=facts)


def charge(jobs: Iterable[Job]) -> None:
    """Count what was rendered of jobs that are being cancelled, in whole seconds; all once its generating is done.

    What was rendered before a job failed, and is kept for its next try, costs nothing. Call it with the jobs locked,
    before their stage runs are closed. One query, and two for each job that has begun.
    """
    plans = {job.pk: job.plan for job in jobs}
    parts: dict[UUID, float] = defaultdict(float)
    runs = StageRun.objects.filter(job__in=plans, stage=Stage.GENERATE, status__in=(RunStatus.RUNNING, RunStatus.DONE))
    runs = runs.filter(run__gte=F("job__first_run"))
    for job_id, status, done, total in runs.values_list("job", "status", "done", "total"):
        parts[job_id] += 1.0 if status == RunStatus.DONE else done / total if total else 0.0
    for job_id, chunks in parts.items():
        share = min(1.0, chunks / _chunks(plans[job_id]))
        entries = LedgerEntry.objects.filter(job=job_id)
        for seconds in entries.values_list("seconds", flat=True):
            entries.update(spent=F("spent") + max(1, ceil(round(seconds * share, 6))))


def _chunks(plan: Any) -> int:
    """Return how many chunks a stored plan has; 1 if it cannot be read."""
    chunks = plan.get("chunks") if isinstance(plan, dict) else None
    return max(1, len(chunks)) if isinstance(chunks, list) else 1


def counted() -> QuerySet[LedgerEntry]:
    """Return the entries that count now: those of the last 24 hours, and of jobs that are still active.

    They are annotated with `charged`, the seconds that count.
    """
    charged = Case(When(job__status__in=GIVEN_BACK, then=F("spent")), default=F("seconds") + F("spent"))
    entries = LedgerEntry.objects.filter(_recent() | Q(job__status__in=ACTIVE))
    return entries.exclude(job__status__in=GIVEN_BACK, spent=0).annotate(charged=charged)


def is_recent() -> ExpressionWrapper:
    """Return an annotation: whether an entry counts for the seconds of the last 24 hours."""
    return ExpressionWrapper(_recent(), BooleanField())


def _recent() -> Q:
    return Q(counted_at__gt=Now() - DAY)


def forgettable() -> QuerySet[LedgerEntry]:
    """Return the entries that will never count again, unless their job is retried, which counts it again."""
    return LedgerEntry.objects.filter(counted_at__lte=Now() - DAY).exclude(job__status__in=ACTIVE)
