"""Celery tasks: one thin task per stage, and the scheduled maintenance."""

import logging
import os
import signal
from contextlib import suppress
from itertools import islice
from typing import Any
from uuid import UUID

from billiard import active_children, current_process
from billiard.exceptions import WorkerLostError
from celery import Task, shared_task
from celery.signals import (
    task_failure,
    task_postrun,
    task_prerun,
    worker_process_init,
    worker_process_shutdown,
    worker_ready,
    worker_shutting_down,
)
from django.conf import settings

from auravideo import tracing
from auravideo.celery import app
from auravideo.core.liveness import parents, progress
from auravideo.core.logs import ids
from auravideo.core.metrics import presence, reporting
from auravideo.core.storage import StorageUnavailable
from generation.domain.memory_classes import GB
from generation.domain.stages import stage_of
from generation.domain.states import Stage, Status
from generation.models import Job, StageRun
from generation.queue import claims, leftovers, recovery
from generation.queue.loading import ahead
from generation.requests.request import InvalidRequest, RenderRequest
from workers import connections, frame_store, loading, membership, pace, runner, stages, watchdog
from workers.device import failures, sharing
from workers.encoding import ahead as encoding_ahead
from workers.engines import devices, memory, precision
from workers.heartbeat import Heartbeat

logger = logging.getLogger(__name__)

PRUNED_AT_ONCE = 200  # jobs looked up in one query

app.steps["consumer"].add(Heartbeat)
app.steps["worker"].add(sharing.Unloader)


@shared_task(name="workers.tasks.preprocess", ignore_result=True)
def preprocess(job_id: str, run: int, chunk: int) -> None:
    runner.run(Stage.PREPROCESS, job_id, run, chunk, stages.preprocess)


@shared_task(name="workers.tasks.generate", ignore_result=True)
def generate(job_id: str, run: int, chunk: int) -> None:
    runner.run(Stage.GENERATE, job_id, run, chunk, stages.generate)


@shared_task(name="workers.tasks.interpolate", ignore_result=True)
def interpolate(job_id: str, run: int, chunk: int) -> None:
    runner.run(Stage.INTERPOLATE, job_id, run, chunk, stages.interpolate)


@shared_task(name="workers.tasks.upscale", ignore_result=True)
def upscale(job_id: str, run: int, chunk: int) -> None:
    runner.run(Stage.UPSCALE, job_id, run, chunk, stages.upscale)


@shared_task(name="workers.tasks.assemble", ignore_result=True)
def assemble(job_id: str, run: int, chunk: int) -> None:
    runner.run(Stage.ASSEMBLE, job_id, run, chunk, stages.assemble)
    _delete_frames(job_id)


@shared_task(name=ahead.TASK, ignore_result=True)
def load_ahead(stage: str, job_id: str) -> None:
    """Load the model that a stage of a job will need (generation/queue/loading/ahead.py)."""
    with ids.about(job=job_id, stage=stage):
        loading.ahead_of(Stage(stage), UUID(job_id))


@shared_task(name=ahead.TASK_FOR_FORM, ignore_result=True)
def load_for_form(stage: str, request: dict[str, Any]) -> None:
    """Load the model that a stage of a clip will need which somebody is describing now."""
    with ids.about(stage=stage), suppress(InvalidRequest):  # sent by another version
        loading.ahead_of_form(Stage(stage), RenderRequest.from_dict(request))


@shared_task(name=encoding_ahead.TASK, ignore_result=True)
def encode_ahead(job_id: str, run: int, index: int) -> None:
    """Encode a segment of a job while its later chunks are upscaled (workers/encoding/ahead.py)."""
    with ids.about(job=job_id, run=run, segment=index):
        encoding_ahead.encode(UUID(job_id), run, index)


@shared_task(name="workers.tasks.discard", ignore_result=True)
def discard(job_id: str) -> None:
    """Delete the frames of an ended job, unless it was restarted since."""
    if not Job.objects.filter(pk=job_id).exclude(status=Status.CANCELLED).exists():
        _delete_frames(job_id)


def _delete_frames(job_id: str) -> None:
    """Delete the frames of a job. If the storage does not work, the scheduled task `prune` deletes them later."""
    progress.expect(pace.floor())
    try:
        frame_store.delete_job(UUID(job_id))
    except StorageUnavailable as error:
        logger.warning("Could not delete the frames of job %s; `prune` will. %s", job_id, error)


@shared_task(name="workers.tasks.requeue_lost", ignore_result=True)
def requeue_lost() -> int:
    return recovery.sweep()


@shared_task(name="workers.tasks.prune", ignore_result=True)
def prune() -> int:
    """Delete frames no longer needed: of ended jobs, of failed ones after a day, and of unknown jobs.

    Return the number of jobs whose frames were deleted.
    """
    deleted = 0
    stored = frame_store.iter_jobs()
    while some := list(islice(stored, PRUNED_AT_ONCE)):
        for job_id in leftovers.reasons(some):
            progress.advance()
            frame_store.delete_job(job_id)
            leftovers.forget(job_id)
            deleted += 1
    return deleted


@worker_ready.connect
def _prepare_parent(**_kwargs: object) -> None:
    parents.follow()
    reporting.start(presence.WORKER)


@worker_process_init.connect
def _prepare_child(**_kwargs: object) -> None:
    progress.take_slot(getattr(current_process(), "index", -1))
    connections.keep()
    runner.listen_for_stop()
    _unloading.listen()
    reporting.start()
    tracing.start("worker")
    precision.precisions.keep_in(settings.HOME / "precision.json")
    memory.limit_room(settings.WORKER_MEMORY_GB * GB or None)
    devices.use(settings.DEVICE)
    membership.report()  # holds nothing; the child that it replaces may have held models
    loading.begin()


@worker_process_shutdown.connect
def _end_child(**_kwargs: object) -> None:
    reporting.finish()
    tracing.finish()


_unloading = sharing.Unloading(before=_end_child)


@worker_shutting_down.connect
def _hand_back(**_kwargs: object) -> None:
    """Ask the child to hand back its job at the next step; otherwise the parent would wait for its task to finish."""
    for child in active_children():
        os.kill(child.pid, signal.SIGUSR2)
    watchdog.hurry()


@task_prerun.connect
def _begin(**_kwargs: object) -> None:
    _unloading.is_busy = True
    progress.expect(pace.loading())


@task_postrun.connect
def _end(**_kwargs: object) -> None:
    _unloading.is_busy = False
    progress.rest()
    if failures.must_end() and membership.me is not None:
        _end_child()
        failures.end_process()


@task_failure.connect
def _child_died(exception: BaseException, args: tuple, sender: Task, **_kwargs: object) -> None:
    """Requeue a job at once if its child process died (out of memory, kill -9). Runs in the parent."""
    if not isinstance(exception, WorkerLostError):
        return
    stage = stage_of(sender.name)
    if stage is None:
        logger.warning("The process running %s died: %s", sender.name, exception)
        return
    job_id, run, chunk = args
    for held in _claims_of_the_dead(stage, UUID(job_id), run, chunk):
        with ids.about(job=held.job_id, run=held.run, stage=stage, chunk=chunk):
            why = watchdog.why_killed(held)
            reason = f"was killed, because it {why}" if why else f"died: {exception}"
            logger.warning("The process running %s[%s] of job %s %s", stage, chunk, held.job_id, reason)
            watchdog.bury(held, why)


def _claims_of_the_dead(stage: Stage, job_id: UUID, run: int, chunk: int) -> list[StageRun]:
    """Return what the process had claimed that died with a message; one of `generate` may stand for another job."""
    if stage is Stage.GENERATE and membership.me is not None:
        return claims.held_by_dead(membership.me.name, [child.pid for child in active_children()], stage)
    held = claims.running(job_id, run, stage, chunk)
    return [held] if held is not None else []
