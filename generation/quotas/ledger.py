"""The only writer of the ledger: what users' clips cost their quotas."""

from collections.abc import Sequence
from datetime import timedelta

from django.db.models import BooleanField, ExpressionWrapper, Q, QuerySet
from django.db.models.functions import Now

from auravideo.core.media.formats import BYTES_A_PIXEL
from generation.domain.states import ACTIVE, Status
from generation.models import Job, LedgerEntry
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
    facts = {"user_id": job.user_id, "seconds": request.seconds, "size": estimated_size(request), "counted_at": Now()}
    LedgerEntry.objects.update_or_create(job=job, defaults=facts)


def counted() -> QuerySet[LedgerEntry]:
    """Return the entries that count now: those of the last 24 hours, and of jobs that are still active."""
    return LedgerEntry.objects.filter(_recent() | Q(job__status__in=ACTIVE)).exclude(job__status__in=GIVEN_BACK)


def is_recent() -> ExpressionWrapper:
    """Return an annotation: whether an entry counts for the seconds of the last 24 hours."""
    return ExpressionWrapper(_recent(), BooleanField())


def _recent() -> Q:
    return Q(counted_at__gt=Now() - DAY)


def forgettable() -> QuerySet[LedgerEntry]:
    """Return the entries that will never count again, unless their job is retried, which counts it again."""
    return LedgerEntry.objects.filter(counted_at__lte=Now() - DAY).exclude(job__status__in=ACTIVE)
