"""Marking jobs as seen and removing them from the list: each change happens once and raises the version."""

from datetime import timedelta
from importlib import import_module
from pathlib import Path

import pytest
from django.apps import apps
from django.utils import timezone

from generation import migrations as migrations_package
from generation.domain.states import ENDED, Status
from generation.jobs import archive
from generation.models import Job
from generation.queue import services
from tests.factories import JobFactory

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def announced(monkeypatch):
    """Record the announced jobs, in order."""
    found: list = []
    monkeypatch.setattr("generation.queue.events.publish", lambda user_id, *job_ids: found.extend(job_ids))
    return found


def ended(user, status=Status.DONE, **changes) -> Job:
    return JobFactory(user=user, status=status, ended_at=timezone.now(), **changes)


def test_every_change_raises_the_version_and_is_announced_once(user, announced):
    job = ended(user)
    assert archive.mark_seen(user) == 1
    assert archive.remove(job)
    assert announced == [job.pk, job.pk]
    assert Job.objects.get().version == 3
    assert archive.mark_seen(user) == 0
    assert not archive.remove(job)
    assert announced == [job.pk, job.pk]


def test_removed_jobs_are_no_longer_new(user):
    archive.remove(ended(user))
    assert not Job.objects.get().is_new


def test_removing_keeps_the_time_of_first_view(user):
    seen = timezone.now() - timedelta(hours=1)
    archive.remove(ended(user, seen_at=seen))
    assert Job.objects.get().seen_at == seen


def test_a_retried_job_stays_on_the_list(user):
    job = ended(user, Status.FAILED)
    services.retry(Job.objects.get())
    assert not archive.remove(job)
    assert archive.remove_ended(user, ENDED, timezone.now()) == 0


def test_removing_by_state_never_removes_active_jobs(user):
    JobFactory(user=user, ended_at=timezone.now())
    assert archive.remove_ended(user, set(Status), timezone.now()) == 0


def test_jobs_that_ended_before_the_migration_are_not_new(user):
    """The migration marks existing ended jobs as seen."""
    job, active = ended(user, Status.FAILED), JobFactory(user=user)
    (name,) = (path.stem for path in Path(migrations_package.__path__[0]).glob("*_watching.py"))
    import_module(f"generation.migrations.{name}").mark_the_past_as_seen(apps, None)
    job.refresh_from_db()
    active.refresh_from_db()
    assert (job.seen_at, active.seen_at) == (job.ended_at, None)
