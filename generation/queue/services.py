"""Every operation on a job. The only writer of `Job.status`.

Each transition is a compare-and-set: one conditional UPDATE that exactly one caller wins. Messages are sent after the
commit; if that fails, `recovery.requeue_lost` sends them later.
"""

import logging
from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now
from django.utils import timezone

from accounts.models import User
from auravideo.core import publish
from auravideo.core.metrics import declared
from generation.domain.errors import WAITING
from generation.domain.states import ACTIVE, ENDED, RunStatus, Stage, Status, can_move
from generation.models import Batch, Job, StageRun
from generation.queue import blocked_terms, canvas, events, losses, sending, signals, submission
from generation.queue.sending import MAX_PRIORITY
from generation.quotas import ledger
from generation.requests.request import RenderRequest

logger = logging.getLogger(__name__)

FRAMES_ARE_GONE = ("frames-missing", "frames-corrupt")  # a retry must render them again


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
    jobs = submission.new_jobs(user, requests, batch, rows, repair_of, within_quotas=within_quotas)
    Job.objects.bulk_create(jobs)
    ledger.enter(jobs, requests)
    transaction.on_commit(partial(declared.JOBS_SUBMITTED.inc, len(jobs)))
    transaction.on_commit(partial(events.publish_all, user.pk, [job.pk for job in jobs]))
    _send_on_commit(*jobs)
    return jobs


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
def cancel(job: Job, *, costs: bool = True) -> bool:
    """Cancel an active job: its workers stop at their next step and its frames are deleted.

    Its owner pays for what was rendered; without `costs`, nobody does, because somebody else cancels it.
    """
    lock(job)
    if not transition(job, Status.CANCELLED, ended_at=Now()):
        return False
    if costs:
        ledger.charge([job])
    _close_running(job, RunStatus.CANCELLED)
    discard_outputs(job)
    _discard_on_commit(job)
    return True


@transaction.atomic
def cancel_waiting(user: User) -> int:
    """Cancel all jobs of a user that nobody renders yet; running ones continue. Return how many were cancelled.

    A few statements, since a user may have hundreds. A job that a worker claims first is left alone, and
    so is one that is queued meanwhile.
    """
    waiting = Job.objects.filter(user=user, status=Status.QUEUED)
    jobs = list(waiting.select_for_update().order_by("pk").only("pk", "plan"))
    found = [job.pk for job in jobs]
    ledger.charge(jobs)
    count = waiting.filter(pk__in=found).update(
        status=Status.CANCELLED, version=F("version") + 1, touched_at=Now(), ended_at=Now()
    )
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
    queued, now = submission.room_for(job.user, [request], within_quotas=within_quotas)
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
        if exhausted := losses.exhausted_stage(job):
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
    """Send the next step of jobs, in order. A job whose request or plan cannot be read fails."""
    for job, error in sending.send(job_ids):
        fail(job, job.run, "request-invalid", {"details": str(error)})
