"""Every operation on a job. The only writer of `Job.status`.

Each transition is a compare-and-set: one conditional UPDATE that exactly one caller wins. Messages are sent after the
commit; if that fails, `recovery.requeue_lost` sends them later.
"""

import logging
import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import Count, F, Max, Q
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from auravideo.core import publish, storage
from auravideo.core.metrics import declared
from generation.domain.errors import WAITING
from generation.domain.plan import Plan
from generation.domain.states import ACTIVE, ENDED, MAX_ATTEMPTS, MAX_CARD_FAILURES, RunStatus, Stage, Status, can_move
from generation.models import Batch, Job, StageRun
from generation.queue import blocked_terms, canvas, events, placement, signals, turns
from generation.queue.loading import ahead
from generation.quotas import checks, ledger
from generation.quotas.allowance import UNLIMITED
from generation.quotas.refusals import NotNow, TooManyJobs
from generation.quotas.selectors import allowance_of
from generation.requests import available, drawing
from generation.requests.fields import MAX_SEED, TEMPLATES
from generation.requests.request import InvalidRequest, RenderRequest

logger = logging.getLogger(__name__)

MAX_PRIORITY = 9
_TICK = timedelta(microseconds=1)  # between two moments that are told apart
HUNG = "stage-hung"
OUT_OF_MEMORY, MACHINE_OUT_OF_MEMORY = "out-of-memory", "machine-out-of-memory"
CARD_FAILED, CARD_EXCLUSIVE = "card-failed", "card-exclusive"
CARD_REASONS = (CARD_FAILED, CARD_EXCLUSIVE)
REASONS_OF_LOSSES = (HUNG, OUT_OF_MEMORY, MACHINE_OUT_OF_MEMORY, *CARD_REASONS)  # otherwise the worker is lost
FRAMES_ARE_GONE = ("frames-missing", "frames-corrupt")  # a retry must render them again


class NoRoom(NotNow):
    """A refusal: the disk is almost full, full or read-only."""

    def __init__(self) -> None:
        text = _("The disk of this site is full or nearly so, and no new clips are accepted until there is room.")
        super().__init__({"prompt": [text]})


@transaction.atomic
def submit(
    user: User,
    request: RenderRequest,
    *,
    batch: Batch | None = None,
    row: int | None = None,
    repair_of: Job | None = None,
    within_quotas: bool = True,
) -> Job:
    """Queue a valid request. Its message is sent after the transaction commits.

    Without `within_quotas`, only the limits of the site hold; for operators.

    Raises:
        TooManyJobs: the user would have more active jobs than their quota or `settings.MAX_ACTIVE_JOBS` allows.
        NoSecondsLeft, NoStorageLeft: another quota of theirs is used up.
        NoRoom: the disk has less than `settings.MIN_FREE_MB` left.
        BlockedPrompt: the prompt contains a blocked term. Forms check this first; this check cannot be bypassed.
        InvalidRequest: the model of the request has left the catalogue, or can no longer render it; or the request is
            beyond a quota that time does not free.
    """
    (job,) = _submit(user, [request], batch, [row], repair_of, within_quotas=within_quotas)
    return job


@transaction.atomic
def submit_many(user: User, requests: Sequence[RenderRequest], *, batch: Batch | None = None) -> list[Job]:
    """Queue valid requests in order, all or none, in a constant number of queries; in a new `batch`, as its rows.

    Raises:
        NotNow, BlockedPrompt, InvalidRequest: as in `submit`, for any of the requests.
    """
    rows = [None] * len(requests) if batch is None else range(1, len(requests) + 1)
    return _submit(user, requests, batch, rows)


def _submit(
    user: User,
    requests: Sequence[RenderRequest],
    batch: Batch | None,
    rows: Sequence[int | None],
    repair_of: Job | None = None,
    *,
    within_quotas: bool = True,
) -> list[Job]:
    drawings = _drawn(requests, repair_of)
    blocked = blocked_terms.load()
    for prompt in dict.fromkeys(request.engine_prompt for request, _stored, _seed in drawings):
        blocked.check(prompt)
    for template in {stored.get(TEMPLATES["prompt"], "") for _request, stored, _seed in drawings}:
        blocked.check_template(template)
    queued, now = _room_for(user, requests, within_quotas=within_quotas)
    jobs = [
        Job(
            user=user,
            request=stored,
            plan=available.plan_for(request).to_dict(),
            seed=seed,
            priority=min(queued + n, MAX_PRIORITY),
            queued_at=now + n * _TICK,  # orders the queue, so it must be unique
            touched_at=Now(),
            batch=batch,
            row=row,
            repair_of=repair_of,
        )
        for n, ((request, stored, seed), row) in enumerate(zip(drawings, rows, strict=True))
    ]
    Job.objects.bulk_create(jobs)
    ledger.enter(jobs, requests)
    transaction.on_commit(partial(declared.JOBS_SUBMITTED.inc, len(jobs)))
    transaction.on_commit(partial(events.publish_all, user.pk, [job.pk for job in jobs]))
    _send_on_commit(*jobs)
    return jobs


def _drawn(
    requests: Sequence[RenderRequest], repair_of: Job | None = None
) -> list[tuple[RenderRequest, dict[str, Any], int]]:
    """Return each request with what its seed draws from its prompts, as a job stores it, and that seed.

    Clips of one request get random seeds; those of a template random ones in a row, so that they draw in turn. A repair
    keeps the template of what it repairs, whose drawing it renders.

    Raises:
        InvalidRequest: see `drawing.drawn`.
    """
    lists = available.lists()
    begin: dict[RenderRequest, int] = {}
    found = []
    for request in requests:
        seed = request.seed
        if seed is None:
            seed = begin.get(request, secrets.randbelow(MAX_SEED + 1))
            if drawing.is_template(request, lists):
                begin[request] = (seed + 1) % (MAX_SEED + 1)
        if repair_of is None:
            drawn, written = drawing.drawn(request, seed, lists)
        else:
            kept = repair_of.request
            drawn, written = request, {name: kept[name] for name in TEMPLATES.values() if name in kept}
        found.append((drawn, {**drawn.to_dict(), **written}, seed))
    return found


def _room_for(user: User, more: Sequence[RenderRequest], *, within_quotas: bool) -> tuple[int, datetime]:
    """Return how many jobs the user has queued, and a moment after all of them, at which more can be.

    The number is the priority of the next one's first message, so nobody's first clip waits until another user's
    flood is checked. The moment is the database's present. Locks the user's row, so concurrent submissions are counted
    one after the other.

    Raises:
        NotNow, InvalidRequest: `more` would exceed the site's limit, or a quota of the user.
        NoRoom: the disk has none.
    """
    try:
        storage.require_room()
    except storage.StorageUnavailable as error:
        logger.warning("A new clip was refused: %s", error)
        raise NoRoom from error
    locked = User.objects.select_for_update(no_key=True).annotate(now=Now()).get(pk=user.pk)
    mine = Job.objects.filter(user=user, status__in=ACTIVE)
    found = mine.aggregate(
        active=Count("pk"), queued=Count("pk", filter=Q(status=Status.QUEUED)), last=Max("queued_at")
    )
    allowance = allowance_of(user) if within_quotas else UNLIMITED
    if allowance.is_limited:
        checks.require(user, more, allowance)
    elif found["active"] + len(more) > settings.MAX_ACTIVE_JOBS:
        raise TooManyJobs(found["active"], settings.MAX_ACTIVE_JOBS)
    return found["queued"], max(locked.now, found["last"] + _TICK if found["last"] else locked.now)


def transition(job: Job, new: Status, *, expected_run: int | None = None, **changes: object) -> bool:
    """Move a job to `new`, bump its version and announce it on commit. Return whether this call made the move."""
    sources = [old for old in Status if can_move(old, new)]
    query = Job.objects.filter(pk=job.pk, status__in=sources)
    if expected_run is not None:
        query = query.filter(run=expected_run)
    moved = query.update(status=new, version=F("version") + 1, touched_at=Now(), **changes) == 1
    if moved:
        transaction.on_commit(partial(_announce, job, new))
    return moved


def _announce(job: Job, new: Status) -> None:
    """Tell the owner's pages, and count, that a job has moved to `new`."""
    events.publish(job.user_id, job.pk)
    if new in ENDED:
        declared.JOBS_ENDED.labels(state=new.value).inc()
        signals.job_ended.send_robust(sender=Job, job=job, status=new)
    if new == Status.DONE:
        declared.JOB_SECONDS.observe(_seconds_since(job.queued_at))


def start(job: Job, run: int) -> bool:
    """Mark a job as running for one of its stages, and lock its row. Return False if it ended or has another run.

    Its turn is taken: nobody else is to start it.
    """
    wait = _seconds_since(job.queued_at)
    is_first = job.started_at is None
    if job.status == Status.QUEUED and transition(
        job, Status.RUNNING, expected_run=run, started_at=job.started_at or Now(), waits_in=""
    ):
        if is_first:
            transaction.on_commit(partial(declared.JOB_WAIT_SECONDS.observe, wait))
        return True
    return touch(job, run)


def _seconds_since(moment: datetime) -> float:
    """Return the seconds since a moment of the database, for a metric: by this machine's clock, which may be behind."""
    return max(0.0, (timezone.now() - moment).total_seconds())


def touch(job: Job, run: int) -> bool:
    """Note that a job advances, and lock its row. Return False if it has ended or has another run."""
    return Job.objects.filter(pk=job.pk, run=run, status__in=ACTIVE).update(touched_at=Now()) == 1


def lock(job: Job) -> None:
    """Lock the row of a job in the current transaction. Lock jobs before stage runs to avoid deadlocks."""
    Job.objects.select_for_update().filter(pk=job.pk).first()


@transaction.atomic
def cancel(job: Job) -> bool:
    """Cancel an active job: its workers stop at their next step and its frames are deleted."""
    lock(job)
    if not transition(job, Status.CANCELLED, ended_at=Now()):
        return False
    _close_running(job, RunStatus.CANCELLED)
    discard_outputs(job)
    _discard_on_commit(job)
    return True


@transaction.atomic
def cancel_waiting(user: User) -> int:
    """Cancel all jobs of a user that nobody renders yet; running ones continue. Return how many were cancelled.

    A few statements, since a user may have hundreds. A job that a worker claims first is left alone.
    """
    waiting = Job.objects.filter(user=user, status=Status.QUEUED)
    found = list(waiting.select_for_update().values_list("pk", flat=True))
    count = waiting.update(status=Status.CANCELLED, version=F("version") + 1, touched_at=Now(), ended_at=Now())
    runs = StageRun.objects.filter(job__in=found, job__status=Status.CANCELLED)
    runs.filter(status=RunStatus.RUNNING).update(status=RunStatus.CANCELLED, ended_at=Now())
    runs.filter(status=RunStatus.DONE).update(status=RunStatus.DISCARDED)
    # Most have no frames; a few were partly rendered before their worker was lost.
    for job in Job.objects.filter(pk__in=runs.exclude(stage=Stage.PREPROCESS).values("job")):
        _discard_on_commit(job)
    transaction.on_commit(partial(events.publish_all, user.pk, found))
    transaction.on_commit(partial(declared.JOBS_ENDED.labels(state=Status.CANCELLED.value).inc, count))
    return count


@transaction.atomic
def retry(job: Job, *, within_quotas: bool = True) -> bool:
    """Requeue a failed or cancelled job from the stage where it stopped, with a new count of attempts.

    The job is queued behind the user's other jobs.

    Raises:
        NotNow, InvalidRequest: as in `submit`.
        BlockedPrompt: as in `submit`; the term may have been added since.
    """
    lock(job)
    job.refresh_from_db()
    if not job.can_retry:
        return False
    request = job.render_request
    blocked_terms.load().check(request.engine_prompt)
    run = job.run + 1
    fresh: dict[str, Any] = {
        "error_id": "",
        "error_context": {},
        "traceback": "",
        "ended_at": None,
        "started_at": None,
        "previewed_at": 0,
        "waits_in": "",
    }
    fresh |= {"seen_at": None, "removed_at": None}
    queued, now = _room_for(job.user, [request], within_quotas=within_quotas)
    fresh["priority"] = min(queued, MAX_PRIORITY)
    if not transition(job, Status.QUEUED, expected_run=job.run, run=run, first_run=run, queued_at=now, **fresh):
        return False
    ledger.enter_again(job, request)
    transaction.on_commit(declared.JOBS_RETRIED.inc)
    _send_on_commit(job)
    return True


def warn(job: Job, warnings: list[dict[str, object]]) -> None:
    """Store warnings about a request that can be rendered all the same."""
    Job.objects.filter(pk=job.pk).update(warnings=warnings, version=F("version") + 1)


@transaction.atomic
def say_waiting(job: Job, reason: str = "") -> None:
    """Show on a job's page what it waits for, one of WAITING; by default, that it no longer waits."""
    lock(job)
    job.refresh_from_db(fields=["warnings"])
    warnings = [warning for warning in job.warnings if warning["id"] not in WAITING]
    warnings += [{"id": reason}] if reason else []
    if warnings != job.warnings:
        warn(job, warnings)
        transaction.on_commit(partial(events.publish, job.user_id, job.pk))


def discard_outputs(job: Job) -> None:
    """Mark the outputs of a job's stages as deleted, so that they are not reused."""
    job.stage_runs.filter(status=RunStatus.DONE).update(status=RunStatus.DISCARDED)


def fail(job: Job, run: int, error_id: str, context: dict[str, str], traceback: str = "") -> bool:
    """End a job with an error. Its frames are kept for a day, so a retry can continue where it stopped."""
    with transaction.atomic():
        lock(job)
        changes = {"error_id": error_id, "error_context": context, "traceback": traceback}
        failed = transition(job, Status.FAILED, expected_run=run, ended_at=Now(), **changes)
        if failed:
            _close_running(job, RunStatus.CANCELLED)
            transaction.on_commit(declared.JOBS_FAILED.labels(error=error_id).inc)
        if failed and error_id in FRAMES_ARE_GONE:
            discard_outputs(job)
    return failed


def requeue(job: Job, run: int, *, sends: bool = True) -> bool:
    """Requeue the rest of an active job under the next run number; messages of older runs are ignored.

    Without `sends`, its message is sent later: see generation/queue/pausing.

    A job whose stage was lost `MAX_ATTEMPTS` times fails instead, for the reason of the last time. A failing card is
    not the clip's fault and counts apart, up to `MAX_CARD_FAILURES` times.
    """
    with transaction.atomic():
        lock(job)
        job.refresh_from_db()
        if job.run != run or not job.is_active:
            return False
        if exhausted := _exhausted_stage(job):
            return fail(job, run, *exhausted)
        _close_running(job, RunStatus.CANCELLED)
        changes = {"run": run + 1, "version": F("version") + 1, "status": Status.QUEUED, "touched_at": Now()}
        changes["waits_in"] = ""
        if not Job.objects.filter(pk=job.pk, run=run, status__in=ACTIVE).update(**changes):
            return False
        transaction.on_commit(partial(events.publish, job.user_id, job.pk))
        transaction.on_commit(declared.JOBS_REQUEUED.inc)
        if sends:
            _send_on_commit(job)
    logger.info("Requeued job %s as run %s", job.pk, run + 1)
    return True


def done_units(job: Job) -> set[tuple[Stage, int]]:
    """Return the (stage, chunk) pairs of a job whose output is stored."""
    return _done_units([job.pk]).get(job.pk, set())


def _done_units(job_ids: Sequence[UUID]) -> dict[UUID, set[tuple[Stage, int]]]:
    """Return `done_units` for several jobs in one query; jobs without any are left out."""
    done: dict[UUID, set[tuple[Stage, int]]] = {}
    rows = StageRun.objects.filter(job__in=job_ids, status=RunStatus.DONE).values_list("job_id", "stage", "chunk")
    for job_id, stage, chunk in rows:
        done.setdefault(job_id, set()).add((Stage(stage), chunk))
    return done


def frozen_plan(job: Job) -> Plan:
    """Return the plan of a job. One that has none gets it now: its model is back, or the version before queued it.

    Raises:
        InvalidRequest: its model is not in the catalogue, or its plan cannot be read.
    """
    if job.plan is None:
        job.plan = available.plan_for(job.render_request).to_dict()
        Job.objects.filter(pk=job.pk).update(plan=job.plan)
    return job.render_plan


def _exhausted_stage(job: Job) -> tuple[str, dict[str, str]] | None:
    """Return the error to fail with if a stage was lost too often, and its context: how it was lost the last time."""
    lost = job.stage_runs.filter(status=RunStatus.LOST, run__gte=job.first_run).order_by("run")
    losses: dict[tuple[str, int, bool], list[tuple[str, dict[str, str]]]] = {}
    for stage, chunk, error, facts in lost.values_list("stage", "chunk", "error", "output"):
        kind = error if error in REASONS_OF_LOSSES else "worker-lost"
        losses.setdefault((stage, chunk, kind in CARD_REASONS), []).append((kind, facts))
    for (stage, _chunk, is_card), found in losses.items():
        if len(found) >= (MAX_CARD_FAILURES if is_card else MAX_ATTEMPTS):
            error, facts = found[-1]
            return error, {**facts, "attempts": str(len(found)), "stage": stage}
    return None


def _close_running(job: Job, status: RunStatus) -> None:
    StageRun.objects.filter(job=job, status=RunStatus.RUNNING).update(status=status, ended_at=Now())


def _send_on_commit(*jobs: Job) -> None:
    """Send jobs after the commit. If the broker is down, `recovery.requeue_lost` sends them later."""
    transaction.on_commit(partial(send, [job.pk for job in jobs]))


def _discard_on_commit(job: Job) -> None:
    """Delete a job's frames after the commit. If the broker is down, the scheduled task `prune` deletes them later."""
    publish.attempt_on_commit(partial(canvas.send_discard, job.pk), f"the clean-up of job {job.pk}")


def send_next(job: Job, run: int) -> None:
    """Send what follows a finished stage that stands alone (`canvas.ALONE`), unless the job has a newer run."""
    if Job.objects.filter(pk=job.pk, run=run).exists():
        send([job.pk])


def send(job_ids: Sequence[UUID]) -> None:
    """Send the next step of jobs, in order, reading their state after the commit."""
    done = _done_units(job_ids)
    jobs = Job.objects.in_bulk(job_ids)
    early = []
    for job in (jobs[job_id] for job_id in job_ids if job_id in jobs and jobs[job_id].is_active):
        try:
            job_plan, request = frozen_plan(job), job.render_request
        except InvalidRequest as error:
            fail(job, job.run, "request-invalid", {"details": str(error)})
            continue
        units, queues = done.get(job.pk, set()), placement.queues_of(request, job_plan)
        stage = canvas.alone(job_plan, units)
        send = partial(canvas.send, job.pk, job.run, _priority(job, stage, queues), job_plan, units, queues)
        if publish.attempt(send, f"the message of job {job.pk}") and stage is not None:
            early.append((job, job_plan))
    ahead.ask(early)


def _priority(job: Job, stage: Stage | None, queues: canvas.Queues) -> int:
    """Return the priority of a job's next step, and enter the job in the line if it is to be generated next.

    Messages of `generate` are all alike. Later steps are served in the order of how many clips of the same user are
    further ahead, so that nobody's clip waits for all that another user had generated before.
    """
    if stage is Stage.PREPROCESS:
        return job.priority
    if stage is Stage.GENERATE:
        turns.enter(job, queues[stage])
        return 0
    return min(turns.ahead_of(job), MAX_PRIORITY)
