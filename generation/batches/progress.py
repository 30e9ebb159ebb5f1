"""Batch pages' logic: queueing a valid form, progress, and the list of finished files."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Count, Q, QuerySet
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from auravideo.core.file_names import stem
from auravideo.core.zips import ZipEntry, stored_file
from generation.batches import services as batches
from generation.batches.forms import BatchForm
from generation.batches.variations import MAX_COMPARED
from generation.domain.states import ACTIVE, ENDED, Status
from generation.jobs.selectors import jobs_of, progress_of
from generation.models import Batch
from generation.quotas import checks
from generation.quotas.refusals import TooManyJobs
from generation.quotas.selectors import Standing, standing_of
from generation.requests.request import RenderRequest

MAX_MEASURED = 20  # running jobs whose progress is computed; the rest count as 0


@dataclass(frozen=True)
class BatchProgress:
    """Progress of a batch: `counts` of its jobs by state, and overall `permille`, 0 to 1000."""

    counts: Mapping[str, int]
    permille: int

    @property
    def total(self) -> int:
        return sum(self.counts.values())

    @property
    def ended(self) -> int:
        return sum(self.counts.get(status, 0) for status in ENDED)

    @property
    def is_active(self) -> bool:
        return self.ended < self.total

    @property
    def can_compare(self) -> bool:
        """Return whether there are several clips, and not too many for one grid."""
        return 1 < self.total <= MAX_COMPARED

    @property
    def percent(self) -> int:
        return self.permille // 10


def batches_of(user: User) -> QuerySet[Batch]:
    """Return a user's batches, newest first."""
    return Batch.objects.filter(user=user).order_by("-created_at", "-pk")


def counted(batches: Iterable[Batch]) -> QuerySet[Batch]:
    """Return some batches, newest first, annotated with job counts: `total` and by state.

    For one page of them, since it reads all of their jobs.
    """
    return (
        Batch.objects.filter(pk__in=[batch.pk for batch in batches])
        .annotate(
            total=Count("jobs"),
            finished=Count("jobs", filter=Q(jobs__status=Status.DONE)),
            active=Count("jobs", filter=Q(jobs__status__in=ACTIVE)),
            failed=Count("jobs", filter=Q(jobs__status=Status.FAILED)),
            cancelled=Count("jobs", filter=Q(jobs__status=Status.CANCELLED)),
        )
        .order_by("-created_at", "-pk")
    )


def queue(user: User, form: BatchForm) -> Batch | None:
    """Queue the valid rows of a valid form; if they are too many, add errors to the form and return None.

    Rows that a quota of the user refuses all the same, because they submitted something else at the same time, are in
    `form.left_out` with the reasons.
    """
    batch, is_new = batches.open_batch(user, form.name, form.rows)
    feed = batches.Feed(batch, form.entries)
    active = set(batch.jobs.filter(status__in=ACTIVE).values_list("row", flat=True))
    requests = [entry.request for entry in feed.left() if entry.row.number not in active and entry.request]
    if errors := list(_refusals(standing_of(user, form.allowance), requests)):
        if is_new:
            batch.delete()
        for text in errors:
            form.add_error(None, text)
        return None
    for _entry in feed.advance():
        pass
    if feed.reasons or feed.refusal:
        refused = feed.refusal.errors.values() if feed.refusal else ()
        form.left_out = feed.refused + len(feed), [*feed.reasons, *(text for texts in refused for text in texts)]
    return batch


def _refusals(standing: Standing, requests: Sequence[RenderRequest]) -> Iterator[Any]:
    """Yield why a user cannot queue these requests."""
    for refusal in checks.refused(standing, requests):
        if isinstance(refusal, TooManyJobs):
            message = _(
                "That is %(rows)s clips, but you may only have %(room)s more waiting. Wait for some to "
                "finish, or use fewer lines."
            )
            yield message % {"rows": len(requests), "room": standing.waiting_left}
        else:
            yield from (text for texts in refusal.errors.values() for text in texts)


def progress_of_batch(batch: Batch) -> BatchProgress:
    """Return a batch's progress; ended jobs count in full, running ones by their own progress."""
    rows = batch.jobs.order_by().values_list("status").annotate(Count("pk"))
    counts = dict(rows)
    total = sum(counts.values())
    running = jobs_of(batch.user).filter(batch=batch, status=Status.RUNNING)[:MAX_MEASURED]
    share = 1000 * sum(counts.get(status, 0) for status in ENDED) + sum(progress_of(job).permille for job in running)
    return BatchProgress(counts, share // total if total else 0)


def finished_files(batch: Batch) -> list[ZipEntry]:
    """Return the videos of a batch, named by row as the batch command names them."""
    found = batch.jobs.filter(status=Status.DONE, video__isnull=False, video__deleted_at=None).order_by("row")
    names = found.values_list("row", "request__prompt", "video__video_file")
    return [stored_file(f"{_stem(row, prompt)}.{key.rsplit('.', 1)[-1]}", key) for row, prompt, key in names]


def _stem(row: int | None, prompt: str) -> str:
    slug = stem(prompt, length=50)
    return f"{row or 0:04}-{slug}" if slug else f"{row or 0:04}"
