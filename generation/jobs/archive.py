"""Seen and removed marks on a user's jobs. Nothing here stops a job or deletes a video."""

from collections.abc import Collection
from datetime import datetime
from functools import partial
from uuid import UUID

from django.db import transaction
from django.db.models import F, QuerySet
from django.db.models.functions import Coalesce
from django.utils import timezone

from accounts.models import User
from generation.domain.states import ENDED, NEWS, Status
from generation.models import Job
from generation.queue import events


def mark_seen(user: User, job_ids: Collection[UUID] | QuerySet | None = None) -> int:
    """Mark the outcomes of a user's jobs, or of all of them, as seen; return how many were new.

    Args:
        job_ids: of jobs of this user, or a query of such IDs.
    """
    news = Job.objects.filter(user=user, status__in=NEWS, seen_at=None, removed_at=None)
    return _change(user, news if job_ids is None else news.filter(pk__in=job_ids), seen_at=timezone.now())


def remove(job: Job) -> bool:
    """Remove an ended job from its owner's list; the video and the job's record stay. Return whether it was removed."""
    return _take_off(job.user, Job.objects.filter(pk=job.pk, status__in=ENDED)) == 1


def remove_ended(user: User, statuses: Collection[Status], until: datetime) -> int:
    """Remove the user's jobs that ended in one of these states by `until` from the list; return how many."""
    return _take_off(user, Job.objects.filter(user=user, status__in=ENDED & set(statuses), ended_at__lte=until))


def _take_off(user: User, jobs: QuerySet[Job]) -> int:
    now = timezone.now()
    return _change(user, jobs.filter(removed_at=None), removed_at=now, seen_at=Coalesce("seen_at", now))


def _change(user: User, jobs: QuerySet[Job], **changes: object) -> int:
    """Update the jobs and publish the change; the version is raised so that pages never show an older state."""
    found = list(jobs.values_list("pk", flat=True))
    if not found:
        return 0
    with transaction.atomic():
        count = jobs.filter(pk__in=found).update(version=F("version") + 1, **changes)
        if count:
            transaction.on_commit(partial(events.publish_all, user.pk, found))
    return count
