"""Frames that are missing or damaged are rendered again by the stage that made them, a few times."""

import pytest
from celery.exceptions import Ignore

from generation.domain import storage_keys
from generation.domain.errors import RenderError
from generation.domain.states import MAX_ATTEMPTS, RunStatus, Stage, Status
from generation.models import Job, StageRun
from generation.queue import claims, services, units
from tests.factories import JobFactory
from workers import runner, stages

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def job(user):
    return JobFactory(user=user)


def finish(job, stage, chunk=0):
    assert claims.finish(claims.claim(job.pk, Job.objects.get().run, stage, chunk, "worker"), {})


def meet(job, error, stage=Stage.INTERPOLATE, chunk=0):
    """Run a stage that fails with `error`."""

    def work(_context):
        raise error

    with pytest.raises(Ignore):
        runner.run(stage, str(job.pk), Job.objects.get().run, chunk, work)


def bad(job, stage=Stage.GENERATE, index=0, id="frames-missing"):
    return RenderError(id, key=storage_keys.chunk(job.pk, stage, index))


@pytest.mark.parametrize("id", ["frames-missing", "frames-corrupt"])
def test_only_the_stage_that_made_the_frames_runs_again(job, id):
    for stage in (Stage.PREPROCESS, Stage.GENERATE):
        finish(job, stage)
    finish(job, Stage.INTERPOLATE, 0)
    meet(job, bad(job, Stage.INTERPOLATE, 0, id), Stage.UPSCALE)
    job.refresh_from_db()
    assert (job.status, job.run, job.error_id) == (Status.QUEUED, 2, "")
    assert units.done(job) == {(Stage.PREPROCESS, 0), (Stage.GENERATE, 0)}
    assert not StageRun.objects.filter(status__in=[RunStatus.LOST, RunStatus.FAILED]).exists()


def test_every_chunk_of_a_stage_that_runs_once_is_made_by_that_one_run(job):
    finish(job, Stage.PREPROCESS)
    finish(job, Stage.GENERATE)
    meet(job, bad(job, index=1), chunk=1)
    assert units.done(job) == {(Stage.PREPROCESS, 0)}


def test_frames_that_are_bad_every_time_fail_the_clip_with_the_truth(job):
    for attempt in range(MAX_ATTEMPTS + 1):
        assert (Job.objects.get().status, Job.objects.get().run) == (Status.QUEUED, attempt + 1)
        finish(job, Stage.GENERATE)
        meet(job, bad(job, id="frames-corrupt"))
    job.refresh_from_db()
    assert (job.status, job.error_id) == (Status.FAILED, "frames-corrupt")
    assert services.retry(job)
    finish(job, Stage.GENERATE)
    meet(job, bad(job, id="frames-corrupt"))
    job.refresh_from_db()
    assert job.status == Status.QUEUED, "a person's retry counts from the start"


def test_frames_that_nobody_made_fail_the_clip(job):
    meet(job, bad(job))
    job.refresh_from_db()
    assert (job.status, job.error_id) == (Status.FAILED, "frames-missing")


def test_a_stage_that_was_taken_over_discards_nothing(job):
    finish(job, Stage.GENERATE)

    def work(_context):
        services.requeue(Job.objects.get(), 1)
        raise bad(job)

    with pytest.raises(Ignore):
        runner.run(Stage.INTERPOLATE, str(job.pk), 1, 0, work)
    job.refresh_from_db()
    assert (job.run, units.done(job)) == (2, {(Stage.GENERATE, 0)})


def test_a_stage_finds_out_by_itself(job):
    finish(job, Stage.PREPROCESS)
    before = Stage(job.render_plan.stages[-2])
    finish(job, before, 0)
    with pytest.raises(Ignore):
        runner.run(Stage.ASSEMBLE, str(job.pk), 1, 0, stages.assemble)
    assert Job.objects.get().status == Status.QUEUED
    assert units.done(job) == {(Stage.PREPROCESS, 0)}
