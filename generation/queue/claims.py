"""A worker's claim on one stage of a job: taken once, kept alive by heartbeats, dropped when the job moves on.

Every moment is written and judged by the database's clock, since those of many machines differ.
"""

import logging
from collections.abc import Callable, Collection, Mapping
from enum import StrEnum
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import F, QuerySet
from django.db.models.functions import Now
from redis import RedisError

from generation.domain import storage_keys
from generation.domain.stages import LAST, STAGES
from generation.domain.states import ACTIVE, MAX_ATTEMPTS, RunStatus, Stage, Status
from generation.models import Job, StageRun
from generation.queue import broker, estimates, events, losses, services, signals, units
from generation.queue.monitoring import outcomes
from generation.queue.pausing import state
from generation.requests.request import InvalidRequest

logger = logging.getLogger(__name__)

_HANDED_BACK, _NOTED_SECONDS = "auravideo:handed-back:{}", 24 * 3600
_OUTCOMES = {
    losses.HUNG: outcomes.HUNG,
    losses.OUT_OF_MEMORY: outcomes.OUT_OF_MEMORY,
    losses.MACHINE_OUT_OF_MEMORY: outcomes.OUT_OF_MEMORY,
}


class Order(StrEnum):
    """What a worker should do at the next step of a stage."""

    GO_ON = "go on"
    STOP = "stop"  # the claim is no longer valid
    PAUSE = "pause"


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
        work = estimates.cost(stage, chunk, units.frozen_plan(job), job.render_request)
    except InvalidRequest as error:
        services.fail(job, run, "request-invalid", {"details": str(error)})
        return None
    consider(job)
    # A job that was only checked still waits, and its owner would say so too.
    begin = services.touch if stage is Stage.PREPROCESS else services.start
    try:
        with transaction.atomic():
            if not begin(job, run):  # it ended or was requeued since it was read
                return None
            moments = {"started_at": Now(), "heartbeat_at": Now()}
            held = StageRun.objects.create(
                job=job, run=run, stage=stage, chunk=chunk, worker=worker, cost=work, **moments
            )
    except IntegrityError:
        return None
    events.publish(job.user_id, job.pk)
    return held


def is_held(held: StageRun) -> bool:
    """Return whether the claim is still valid: the stage is running, its job is active and has no newer run."""
    return _standing(held).exists()


def order(held: StageRun) -> Order:
    """Return what the worker of a stage should do at its next step, in one query."""
    found = _standing(held).annotate(pauses=state.exists()).values_list("pauses", flat=True).first()
    if found is None:
        return Order.STOP
    return Order.PAUSE if found and held.stage in state.HELD else Order.GO_ON


def continue_at(held: StageRun, done: int, total: int) -> None:
    """Note that an earlier attempt has done a part of a stage, which costs this one less."""
    held.cost *= 1 - done / total
    _standing(held).update(cost=held.cost)


def beat(held: StageRun, done: int | None = None, total: int | None = None) -> bool:
    """Record a heartbeat and the progress of the stage. Return whether the claim is still valid."""
    progress = {} if done is None else {"done": done, "total": total}
    return _standing(held).update(heartbeat_at=Now(), **progress) == 1


def begin_loading(held: StageRun) -> None:
    """Show that a stage loads its model before its work."""
    if _standing(held).update(is_loading=True):
        _show_again(held)


def end_loading(held: StageRun, seconds: float) -> None:
    """Record that the model of a stage is there, and how long that took."""
    if _standing(held).update(is_loading=False, load_seconds=seconds):
        _show_again(held)


def _show_again(held: StageRun) -> None:
    """Publish a change that may set the progress back: pages drop what is behind what they show, of one version."""
    Job.objects.filter(pk=held.job_id).update(version=F("version") + 1)
    events.publish(held.job.user_id, held.job_id)


def finish(held: StageRun, output: dict) -> bool:
    """Record the output of a stage; the last stage ends the job. Return whether the claim was still valid."""
    job = held.job
    is_last = held.stage == LAST
    with transaction.atomic():
        # The job first: this locks its row, so nobody can end or requeue it before the commit.
        if is_last:
            is_ours = services.transition(job, Status.DONE, expected_run=held.run, ended_at=Now())
        else:
            is_ours = services.touch(job, held.run)
        running = StageRun.objects.filter(pk=held.pk, status=RunStatus.RUNNING)
        done = {"status": RunStatus.DONE, "output": output, "ended_at": Now(), "heartbeat_at": Now()}
        if not is_ours or not running.update(**done):
            transaction.set_rollback(True)
            return False
        if is_last:
            signals.job_done.send(sender=Job, job=job, output=output)
    outcomes.count_done(held, _seconds(held))
    estimates.learn_soon(Stage(held.stage), job.request["model"])
    if not is_last:
        events.publish(job.user_id, job.pk)
    return True


def fail(held: StageRun, error_id: str, context: dict[str, str], traceback: str = "") -> bool:
    """Record that a stage failed, which ends the job. Return whether this call ended it."""
    with transaction.atomic():
        services.lock(held.job)
        text = traceback or f"{error_id} {context}"
        if not _standing(held).update(status=RunStatus.FAILED, error=text, ended_at=Now()):
            return False
        outcomes.count(held.stage, outcomes.FAILED)
        return services.fail(held.job, held.run, error_id, context, traceback)


def running(job_id: UUID, run: int, stage: Stage, chunk: int) -> StageRun | None:
    """Return the claim on a stage if its worker has not ended it."""
    held = StageRun.objects.filter(job=job_id, run=run, stage=stage, chunk=chunk, status=RunStatus.RUNNING)
    return held.select_related("job").first()


def lose(
    job_id: UUID, run: int, stage: Stage, chunk: int, error: str = "", facts: Mapping[str, str] | None = None
) -> bool:
    """Mark a stage as lost, whose worker died, ran out of memory or lost its card, and requeue the rest of the job.

    Args:
        error: the ID of the error to fail with after too many attempts, one of `losses.REASONS`; by
            default, that the worker was lost.
        facts: values for the placeholders of that error's text.
    """
    held = StageRun.objects.filter(job=job_id, run=run, stage=stage, chunk=chunk, status=RunStatus.RUNNING)
    if not held.update(status=RunStatus.LOST, ended_at=Now(), error=error, output=dict(facts or {})):
        return False
    outcomes.count(stage, _OUTCOMES.get(error, outcomes.LOST))
    return services.requeue(Job.objects.get(pk=job_id), run)


def held_by_dead(worker: str, living: Collection[int], stage: Stage) -> list[StageRun]:
    """Return what dead processes of a worker had claimed of a stage.

    Args:
        worker: its name in the roster.
        living: its processes that are alive.
    """
    mine = StageRun.objects.filter(worker__startswith=f"{worker}:", stage=stage, status=RunStatus.RUNNING)
    alive = set(map(str, living))
    return [held for held in mine.select_related("job") if held.worker.rpartition(":")[2] not in alive]


def release(held: StageRun, outcome: str = outcomes.HANDED_BACK, error: str = "", *, sends: bool = True) -> bool:
    """Give a stage back: its worker is stopping, or something that it needs is away. This uses up no attempt.

    `sends` as in `services.requeue`.
    """
    if not _standing(held).update(status=RunStatus.CANCELLED, ended_at=Now(), error=error):
        return False
    outcomes.count(held.stage, outcome)
    return services.requeue(held.job, held.run, sends=sends)


def note_handed_back(claim: int) -> None:
    """Note in Redis that a stage was handed back, since its worker stops while the database is away.

    Whoever finds it without a heartbeat (generation/queue/recovery.py) releases it. Without Redis, it counts as lost.
    """
    try:
        broker.connection().set(_HANDED_BACK.format(claim), "", ex=_NOTED_SECONDS)
    except RedisError as error:
        logger.warning("Claim %s will count as lost, since neither database nor Redis answer: %s", claim, error)


def was_handed_back(claim: int) -> bool:
    """Return whether `note_handed_back` was called for a claim."""
    try:
        return bool(broker.connection().exists(_HANDED_BACK.format(claim)))
    except RedisError:
        return False


def regenerate(held: StageRun, key: str, error: str) -> bool:
    """Discard an output that is missing or damaged, and requeue the job from the stage that made it.

    Return False, having changed nothing, if this has not helped `MAX_ATTEMPTS` times.
    """
    name, index = storage_keys.unit_of(key)
    stage = Stage(name)
    made = held.job.stage_runs.filter(stage=stage, chunk=index if STAGES[stage].per_chunk else 0)
    with transaction.atomic():
        services.lock(held.job)
        before = made.filter(status=RunStatus.DISCARDED, run__gte=held.job.first_run).count()
        discarded = before < MAX_ATTEMPTS and made.filter(status=RunStatus.DONE).update(status=RunStatus.DISCARDED)
        if not discarded or not release(held, outcomes.INTERRUPTED, error):
            transaction.set_rollback(True)
            return False
    return True


def absolve(held: StageRun) -> bool:
    """Take back that a stage counts as lost: its worker is alive, but could not reach the database for a while."""
    lost = StageRun.objects.filter(pk=held.pk, status=RunStatus.LOST, error="")
    return lost.update(status=RunStatus.CANCELLED) == 1


def _seconds(held: StageRun) -> float:
    """Return how long a stage that has ended took, by the clock that wrote both moments."""
    ((started, ended),) = StageRun.objects.filter(pk=held.pk).values_list("started_at", "ended_at")
    return (ended - started).total_seconds() if ended else 0.0


def _standing(held: StageRun) -> QuerySet[StageRun]:
    return StageRun.objects.filter(pk=held.pk, status=RunStatus.RUNNING, job__run=held.run, job__status__in=ACTIVE)
