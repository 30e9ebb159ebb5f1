"""Leftovers in the database: expired sessions, what quotas no longer count, what retention rules no longer keep."""

from collections.abc import Iterator
from importlib import import_module
from uuid import UUID

from django.conf import settings
from django.contrib.sessions.models import Session
from django.db.models import QuerySet
from django.utils import timezone

from gallery import lifecycle
from gallery.models import RetentionRule, Video, VideoQuerySet, Visibility
from gallery.moderation.services import past_reports_to_forget
from gallery.pruning.findings import Finding
from generation.batches import variations
from generation.domain.states import Status
from generation.models import Job
from generation.queue import events
from generation.quotas.ledger import forgettable

Found = Iterator[tuple[str, Finding | None]]


def sessions(_after: str) -> Found:
    if count := Session.objects.filter(expire_date__lt=timezone.now()).count():
        yield "sessions", Finding("sessions", "expired", count=count)


def delete_sessions(_found: Finding) -> None:
    import_module(settings.SESSION_ENGINE).SessionStore.clear_expired()


def ledger(_after: str) -> Found:
    """Find what users' quotas no longer count, so that nothing is kept of deleted clips for longer than a day."""
    if count := forgettable().count():
        yield "ledger", Finding("ledger", "entries that no longer count", count=count)


def delete_ledger(_found: Finding) -> None:
    forgettable().delete()


def past_reports(_after: str) -> Found:
    """Find what is left of reports on clips that were deleted over a year ago."""
    if count := past_reports_to_forget().count():
        yield "reports", Finding("reports", "on clips deleted over a year ago", count=count)


def delete_past_reports(_found: Finding) -> None:
    past_reports_to_forget().delete()


def failed_clips(after: str) -> Found:
    """Find jobs that failed longer ago than the rule says."""
    if rule := RetentionRule.in_force(RetentionRule.Kind.FAILED):
        for pk in _behind(_failed(rule), after).values_list("pk", flat=True).iterator():
            yield str(pk), Finding(str(pk), f"the clip failed over {rule.days} days ago")


def delete_failed(found: Finding) -> None:
    rule = RetentionRule.in_force(RetentionRule.Kind.FAILED)
    job = _failed(rule).filter(pk=found.name).first() if rule else None
    if job is not None:  # not retried since; the frames of a job that is gone are found by the next sweep
        job_id, user_id = job.pk, job.user_id
        job.delete()
        variations.forget_empty(job.batch_id)
        events.publish(user_id, job_id)


def _failed(rule: RetentionRule) -> QuerySet[Job]:
    return Job.objects.filter(status=Status.FAILED, ended_at__lt=rule.limit)


def drafts(after: str) -> Found:
    """Find drafts that their owner never opened, unless they were kept on purpose."""
    if rule := RetentionRule.in_force(RetentionRule.Kind.DRAFTS):
        for pk, size in _behind(_drafts(rule), after).values_list("pk", "size").iterator():
            yield str(pk), Finding(str(pk), f"a draft that nobody opened for {rule.days} days", size)


def trash_draft(found: Finding) -> None:
    if rule := RetentionRule.in_force(RetentionRule.Kind.DRAFTS):
        lifecycle.trash(_drafts(rule).filter(pk=found.name))


def _drafts(rule: RetentionRule) -> VideoQuerySet:
    unopened = Video.objects.kept().filter(request__quality="draft", job__isnull=False, job__seen_at=None)
    untouched = unopened.filter(favourite=False, visibility=Visibility.PRIVATE, items=None)
    return untouched.filter(created_at__lt=rule.limit)


def _behind(rows: QuerySet, after: str) -> QuerySet:
    return (rows.filter(pk__gt=UUID(after)) if after else rows).order_by("pk")
