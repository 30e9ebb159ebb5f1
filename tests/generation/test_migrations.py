"""Migrations of existing jobs."""

from importlib import import_module
from types import SimpleNamespace

import pytest
from django.apps import apps
from django.db import connection
from django.db.migrations.autodetector import MigrationAutodetector
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.state import ProjectState

from generation.domain.states import Status
from generation.models import Job
from generation.requests import available
from tests.factories import JobFactory, UserFactory, a_request

BEFORE, AFTER = ("generation", "0004_blocked_terms"), ("generation", "0005_job_plan")


def migrate(target: tuple[str, str]):
    executor = MigrationExecutor(connection)
    executor.migrate([target])
    return executor.loader.project_state([target]).apps


def newest() -> list[tuple[str, str]]:
    """Return the newest migration of every app: going back takes back those of others that build on generation's."""
    return MigrationExecutor(connection).loader.graph.leaf_nodes()


@pytest.fixture
def before_plans(transactional_db):
    """Migrate back to before jobs had plans, and forward again after the test."""
    migrate(BEFORE)
    yield
    MigrationExecutor(connection).migrate(newest())


@pytest.mark.django_db(transaction=True)
def test_every_job_gets_the_plan_that_was_computed_for_it(before_plans, monkeypatch):
    monkeypatch.setattr(import_module("generation.migrations.0005_job_plan"), "BATCH", 7)  # out of 30 jobs
    models = MigrationExecutor(connection).loader.project_state([BEFORE]).apps
    user = UserFactory()
    asked = [a_request(fps=8), a_request(), a_request(seconds=4, size="384x256"), {**a_request(), "model": "gone"}]
    asked += [{**a_request(), "width": 4096, "height": 4096}, {"prompt": "of another time"}]
    asked += [{**a_request(), "width": 0}, {**a_request(), "fps": 0}, ["no request"]]
    made = []
    for number, status in enumerate(Status):
        for request in asked:
            times = {"queued_at": "2026-01-01T00:00Z", "touched_at": "2026-01-01T00:00Z"}
            job = models.get_model("generation", "Job").objects.create(
                user_id=user.pk, request=request, seed=number, status=status, version=7, **times
            )
            made.append(job.pk)
    migrate(AFTER)
    found = Job.objects.only("pk", "request", "plan", "status", "version", "seed").in_bulk(made)
    for number, status in enumerate(Status):
        jobs = [found[pk] for pk in made[number * len(asked) : (number + 1) * len(asked)]]
        assert [(job.request, job.status, job.version, job.seed) for job in jobs] == [
            (request, status, 7, number) for request in asked
        ]
        assert [job.render_plan for job in jobs[:3]] == [available.plan_for(job.render_request) for job in jobs[:3]]
        assert [job.plan for job in jobs[3:]] == [None] * 6


@pytest.mark.django_db
def test_the_migrations_describe_the_models():
    """A new stage adds a choice to `StageRun.stage`: run `manage.py makemigrations` if this fails."""
    loader = MigrationExecutor(connection).loader
    changes = MigrationAutodetector(loader.project_state(), ProjectState.from_apps(apps)).changes(loader.graph)
    missing = {app: [migration.operations for migration in found] for app, found in changes.items()}
    assert "generation" not in missing, missing


@pytest.mark.django_db
def test_the_plan_migration_is_idempotent(user):
    job = JobFactory(user=user)
    plan = job.plan
    Job.objects.update(plan=None)
    migration = import_module("generation.migrations.0005_job_plan")
    for _ in range(2):
        migration.freeze_plans(apps, SimpleNamespace(connection=connection))
    job.refresh_from_db()
    assert job.plan == plan
