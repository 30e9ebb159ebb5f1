"""A worker's claim on one stage of a job: taken once, kept alive by heartbeats, dropped when the job moves on.

Heartbeats are written and judged by the database's clock, since those of many machines differ.
"""

from collections.abc import Callable, Collection
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from generation.domain.stages import LAST
from generation.domain.states import ACTIVE, RunStatus, Stage, Status
from generation.models import Job, StageRun
from generation.queue import estimates, events, outcomes, services, signals
from generation.requests.request import InvalidRequest


def claim(
    job_id: UUID, run: int, stage: Stage, chunk: int, worker: str, consider: Callable[[Job], None] = lambda _job: None
) -> StageRun | None:
    """Claim a stage of a job. Return None if there is nothing to do.

    That is: the job has ended, was deleted or has a newer run; its request is no longer valid, which fails the job; or
    the message was delivered twice and another worker holds the stage.

    `consider(job)` may raise, to leave the job to another worker; then nothing is claimed.
    """
    job = Job.objects.filter(pk=job_id, run=run, status__in=ACTIVE).first()
    if job is None:
        return None
    try:
        work = estimates.cost(stage, chunk, services.frozen_plan(job), job.render_request)
    except InvalidRequest as error:
        services.fail(job, run, "request-invalid", {"details": str(error)})
        return None
    consider(job)
    now = timezone.now()
    # A job that was only checked still waits, and its owner would say so too.
    begin = services.touch if stage is Stage.PREPROCESS else services.start
    try:
        with transaction.atomic():
            if not begin(job, run):  # it ended or was requeued since it was read
                return None
            held = StageRun.objects.create(
                job=job, run=run, stage=stage, chunk=chunk, worker=worker, cost=work, started_at=now, heartbeat_at=Now()
            )
    except IntegrityError:
        return None
    events.publish(job.user_id, job.pk)
    return held


def is_held(held: StageRun) -> bool:
    """Return whether the claim is still valid: the stage is running, its job is active and has no newer run."""
    return _standing(held).exists()


def beat(held: StageRun, done: int | None = None, total: int | None = None) -> bool:
    """Record a heartbeat and the progress of the stage. Return whether the claim is still valid."""
    progress = {} if done is None else {"done": done, "total": total}
    return _standing(held).update(heartbeat_at=Now(), **progress) == 1


def finish(held: StageRun, output: dict) -> bool:
    """Record the output of a stage; the last stage ends the job. Return whether the claim was still valid."""
    job = held.job
    is_last, now = held.stage == LAST, timezone.now()
    with transaction.atomic():
        # The job first: this locks its row, so nobody can end or requeue it before the commit.
        if is_last:
            is_ours = services.transition(job, Status.DONE, expected_run=held.run, ended_at=now)
        else:
            is_ours = services.touch(job, held.run)
        running = StageRun.objects.filter(pk=held.pk, status=RunStatus.RUNNING)
        done = {"status": RunStatus.DONE, "output": output, "ended_at": now, "heartbeat_at": Now()}
        if not is_ours or not running.update(**done):
            transaction.set_rollback(True)
            return False
        if is_last:
            signals.job_done.send(sender=Job, job=job, output=output)
    outcomes.count_done(held, (now - held.started_at).total_seconds())
    estimates.learn_soon(Stage(held.stage), job.request["model"])
    if not is_last:
        events.publish(job.user_id, job.pk)
    return True


def fail(held: StageRun, error_id: str, context: dict[str, str], traceback: str = "") -> bool:
    """Record that a stage failed, which ends the job. Return whether this call ended it."""
    with transaction.atomic():
        services.lock(held.job)
        now = timezone.now()
        text = traceback or f"{error_id} {context}"
        if not _standing(held).update(status=RunStatus.FAILED, error=text, ended_at=now):
            return False
        outcomes.count(held.stage, outcomes.FAILED)
        return services.fail(held.job, held.run, error_id, context, traceback)


def lose(job_id: UUID, run: int, stage: Stage, chunk: int) -> bool:
    """Mark a stage whose worker died as lost, and requeue the rest of the job."""
    held = StageRun.objects.filter(job=job_id, run=run, stage=stage, chunk=chunk, status=RunStatus.RUNNING)
    if not held.update(status=RunStatus.LOST, ended_at=timezone.now()):
        return False
    outcomes.count(stage, outcomes.LOST)
    return services.requeue(Job.objects.get(pk=job_id), run)


def lose_all_of(worker: str, living: Collection[int], stage: Stage) -> int:
    """Mark what dead processes of a worker had claimed of a stage as lost. Return how many jobs were requeued.

    Args:
        worker: its name in the roster.
        living: its processes that are alive.
    """
    mine = StageRun.objects.filter(worker__startswith=f"{worker}:", stage=stage, status=RunStatus.RUNNING)
    dead = [held for held in mine if held.worker.rpartition(":")[2] not in set(map(str, living))]
    return sum(lose(held.job_id, held.run, stage, held.chunk) for held in dead)


def release(held: StageRun) -> bool:
    """Give a stage back because its worker is shutting down; this does not count as a failed attempt."""
    if not _standing(held).update(status=RunStatus.CANCELLED, ended_at=timezone.now()):
        return False
    outcomes.count(held.stage, outcomes.HANDED_BACK)
    return services.requeue(held.job, held.run)


def _standing(held: StageRun) -> QuerySet[StageRun]:
    return StageRun.objects.filter(pk=held.pk, status=RunStatus.RUNNING, job__run=held.run, job__status__in=ACTIVE)
