"""Frames that no job needs any more, by the rules that the scheduled task and `manage.py prune` share."""

from collections.abc import Collection, Sequence
from datetime import timedelta
from uuid import UUID

from django.conf import settings
from django.db.models.functions import Now

from generation.domain.states import Status
from generation.models import Job
from generation.queue import services


def reasons(job_ids: Sequence[str]) -> dict[str, str]:
    """Return why the frames of some jobs can be deleted, by ID; jobs that may still need theirs are left out.

    Args:
        job_ids: as the storage names them. One that is no ID belongs to no job.
    """
    ids = {name: parsed for name in job_ids if (parsed := _uuid(name))}
    jobs = Job.objects.in_bulk(list(ids.values()))
    kept = Now() - timedelta(hours=settings.FAILED_FRAMES_KEPT_HOURS)  # by the clock that wrote when the job ended
    recent = set(Job.objects.filter(pk__in=jobs, ended_at__gt=kept).values_list("pk", flat=True))
    found = {name: _why(jobs.get(ids[name]) if name in ids else None, recent) for name in job_ids}
    return {name: why for name, why in found.items() if why}


def _why(job: Job | None, recent: Collection[UUID]) -> str:
    if job is None:
        return "no such job"
    if job.is_active:
        return ""
    if job.status != Status.FAILED:
        return f"the job is {job.status}"
    return "" if job.pk in recent else f"the job failed over {settings.FAILED_FRAMES_KEPT_HOURS} hours ago"


def forget(job_id: str) -> None:
    """Note that a job's frames are deleted, so that a retry renders them again."""
    job = Job.objects.filter(pk=parsed).first() if (parsed := _uuid(job_id)) else None
    if job is not None and job.status != Status.DONE:
        services.discard_outputs(job)


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
