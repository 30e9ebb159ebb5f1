"""A worker whose site is paused: it stops within one step, lets its models go, and any worker goes on from there."""

import gc
import logging
import weakref

import numpy as np
import pytest
from celery.exceptions import Ignore

from generation.domain import storage_keys
from generation.domain.errors import RenderError
from generation.domain.states import RunStatus, Stage, Status
from generation.models import Job, StageRun
from generation.queue import claims, leftovers, services, units
from generation.queue.pausing import services as pausing
from tests.factories import JobFactory, a_request
from workers import frame_store, runner, tasks
from workers.engines import registry

pytestmark = pytest.mark.django_db(transaction=True)

STEPS = 3


@pytest.fixture(autouse=True)
def own_registry(monkeypatch):
    found = registry.Registry()
    monkeypatch.setattr(registry, "_default", found)
    return found


@pytest.fixture
def new_job(user):
    """Return a function that makes a job which only waits to be generated; all of them are of the same clip."""

    def make():
        job = JobFactory(user=user, seed=7, request=a_request(size="128x128", seconds=1, fps=8, steps=STEPS))
        tasks.preprocess(str(job.pk), 1, 0)
        return job

    return make


@pytest.fixture
def pause_at(monkeypatch):
    """Return a function that lets rendering be paused when a stage has taken so many steps, once."""
    on_step = runner.Context.on_step
    waiting, taken = [], []

    def watched(context, done, total, preview=None):
        taken.append(done)
        if waiting and done >= waiting[0]:
            waiting.pop()
            pausing.pause()
        on_step(context, done, total, preview)

    monkeypatch.setattr(runner.Context, "on_step", watched)

    def pause_at(step):
        taken.clear()
        waiting.append(step)
        return taken

    return pause_at


def generate(job):
    job.refresh_from_db()
    tasks.generate(str(job.pk), job.run, 0)


def interrupted(work, *args):
    with pytest.raises(Ignore):
        work(*args)


def frames_of(job):
    chunks = job.render_plan.chunks
    read = [frame_store.read_chunk(storage_keys.chunk(job.pk, Stage.GENERATE, chunk.index)) for chunk in chunks]
    return np.concatenate(read)


def has_checkpoint(job):
    return frame_store.exists(storage_keys.checkpoint(job.pk))


@pytest.mark.parametrize("step", [1, 2, STEPS])
def test_a_clip_goes_on_where_it_stopped_and_is_the_same(new_job, pause_at, own_registry, step):
    whole, job = new_job(), new_job()
    generate(whole)
    (engine,) = own_registry._engines.values()
    held = [weakref.ref(part) for part in (engine, engine._pipeline, engine._pipeline.unet)]
    del engine
    taken = pause_at(step)
    interrupted(generate, job)
    assert max(taken) == step, "no further step"
    assert own_registry.keys() == []
    gc.collect()
    assert [part() for part in held] == [None, None, None], "something holds its memory"
    job.refresh_from_db()
    assert (job.status, has_checkpoint(job)) == (Status.QUEUED, True)

    interrupted(generate, job)  # a message that was still under way
    assert StageRun.objects.filter(job=job, stage=Stage.GENERATE).count() == 1
    taken.clear()
    pausing.resume()
    generate(job)
    assert min(taken) == step, "no step is taken again"
    assert np.array_equal(frames_of(job), frames_of(whole))
    assert not has_checkpoint(job)
    assert list(
        StageRun.objects.filter(job=job, stage=Stage.GENERATE).order_by("run").values_list("status", flat=True)
    ) == [
        RunStatus.CANCELLED,
        RunStatus.DONE,
    ]


def test_what_was_done_before_the_pause_does_not_make_the_rest_look_quick(new_job, pause_at):
    """Estimates learn from what a stage took for its cost."""
    whole, job = new_job(), new_job()
    generate(whole)
    pause_at(2)
    interrupted(generate, job)
    pausing.resume()
    generate(job)
    costs = {run.job_id: run.cost for run in StageRun.objects.filter(stage=Stage.GENERATE, status=RunStatus.DONE)}
    assert 0 < costs[job.pk] < costs[whole.pk]


@pytest.mark.parametrize("damage", [lambda data: data[:-9], lambda _data: b"nonsense"])
def test_a_damaged_checkpoint_lets_the_clip_begin_again(new_job, pause_at, caplog, damage):
    whole, job = new_job(), new_job()
    generate(whole)
    taken = pause_at(2)
    interrupted(generate, job)
    frame_store.write_checkpoint(job.pk, damage(frame_store.read_checkpoint(job.pk)))
    pausing.resume()
    taken.clear()
    with caplog.at_level(logging.WARNING):
        generate(job)
    assert "begins again, since its checkpoint cannot be used" in caplog.text
    assert min(taken) == 0
    assert np.array_equal(frames_of(job), frames_of(whole))
    assert not has_checkpoint(job)


def test_a_clip_that_fails_after_a_pause_begins_again_when_it_is_retried(new_job, pause_at, monkeypatch):
    job = new_job()
    pause_at(1)
    interrupted(generate, job)
    pausing.resume()
    with monkeypatch.context() as patch:
        patch.setattr(tasks.stages.engine_factory, "loras", _fails)
        interrupted(generate, job)
    job.refresh_from_db()
    assert (job.status, has_checkpoint(job)) == (Status.FAILED, False)


def _fails(_request):
    raise RenderError("lora-empty", model="it", file="it")


def test_cancelling_during_a_pause_deletes_the_checkpoint(new_job, pause_at):
    job = new_job()
    pause_at(1)
    interrupted(generate, job)
    services.cancel(job)
    tasks.discard(str(job.pk))
    assert list(frame_store.iter_jobs()) == []
    pausing.resume()
    job.refresh_from_db()
    assert job.status == Status.CANCELLED


def test_a_clip_that_is_cancelled_while_it_is_put_back_leaves_nothing(new_job, pause_at, monkeypatch):
    job = new_job()
    write = frame_store.write_checkpoint

    def cancelled_first(*args):
        services.cancel(job)
        return write(*args)

    monkeypatch.setattr(frame_store, "write_checkpoint", cancelled_first)
    pause_at(1)
    interrupted(generate, job)
    assert list(frame_store.iter_jobs()) == []


def test_what_is_left_of_a_deleted_clip_is_pruned(new_job, pause_at):
    job = new_job()
    pause_at(1)
    interrupted(generate, job)
    assert leftovers.reasons([str(job.pk)]) == {}, "it is still needed"
    Job.objects.filter(pk=job.pk).delete()
    tasks.prune()
    assert list(frame_store.iter_jobs()) == []


def test_a_storage_that_does_not_work_does_not_keep_the_card(new_job, pause_at, own_registry, monkeypatch, caplog):
    from auravideo.core.storage import StorageUnavailable

    def unavailable(*_args):
        raise StorageUnavailable("disk-full", "no room")

    job = new_job()
    pause_at(1)
    with monkeypatch.context() as patch:
        patch.setattr(frame_store, "write_checkpoint", unavailable)
        interrupted(generate, job)
    assert own_registry.keys() == []
    assert "will begin again after the pause" in caplog.text
    pausing.resume()
    generate(job)
    assert StageRun.objects.filter(job=job, stage=Stage.GENERATE, status=RunStatus.DONE).exists()


@pytest.mark.parametrize("stage", [Stage.INTERPOLATE, Stage.UPSCALE])
def test_a_chunk_that_is_interrupted_is_put_back_and_done_again(new_job, own_registry, stage):
    job = new_job()
    generate(job)
    job.refresh_from_db()
    steps = []

    def work(context):
        for step in range(4):
            steps.append(step)
            context.on_step(step, 4)
            if step == 1:
                pausing.pause()
        return {}

    interrupted(runner.run, stage, str(job.pk), job.run, 0, work)
    assert steps == [0, 1, 2]
    assert own_registry.keys() == []
    job.refresh_from_db()
    assert (job.status, units.done(job)) == (Status.QUEUED, {(Stage.PREPROCESS, 0), (Stage.GENERATE, 0)})

    interrupted(runner.run, stage, str(job.pk), job.run, 0, work)
    assert len(steps) == 3, "nothing is begun during the pause"
    pausing.resume()
    job.refresh_from_db()
    runner.run(stage, str(job.pk), job.run, 0, lambda _context: {})
    assert (stage, 0) in units.done(job)


def test_encoding_what_is_finished_goes_on_during_a_pause(new_job):
    job = new_job()
    generate(job)
    job.refresh_from_db()
    pausing.pause()

    def work(context):
        context.on_step(1, 2)
        raise RenderError("internal", reference="reached")

    interrupted(runner.run, Stage.ASSEMBLE, str(job.pk), job.run, 0, work)
    job.refresh_from_db()
    assert job.error_context == {"reference": "reached"}


def test_of_two_workers_both_stop(new_job):
    """One holds a chunk, the other is handed one of the same clip: both are put back, under one run."""
    job = new_job()
    generate(job)
    job.refresh_from_db()
    run = job.run
    held = claims.claim(job.pk, run, Stage.INTERPOLATE, 0, "other@there:1")
    pausing.pause()
    interrupted(runner.run, Stage.INTERPOLATE, str(job.pk), run, 1, lambda _context: pytest.fail("begun"))
    assert claims.order(held) is claims.Order.STOP
    assert not pausing.put_back(held)
    job.refresh_from_db()
    assert (job.status, job.run) == (Status.QUEUED, run + 1)
