"""Pause and resume all rendering.

During a pause, workers put back what they are at (`put_back`) and take no message of a stage with a model, but drop it
(`set_aside`), as those of users who paused their own queue. `resume` sends what is lacking; whatever it
misses, because the broker is down, the sweep sends.
"""

import logging
from functools import partial
from uuid import UUID

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now

from generation.domain.states import ACTIVE, RunStatus, Stage, Status
from generation.models import Job, RenderingPause, StageRun
from generation.queue import broker, claims, events, roster, services, turns
from generation.queue.monitoring import outcomes
from generation.queue.pausing import state

logger = logging.getLogger(__name__)

SENT_AT_ONCE = 200  # jobs


@transaction.atomic
def pause() -> bool:
    """Pause all rendering: workers stop within one step and free their cards. Return whether this call did it."""
    _row, is_new = RenderingPause.objects.get_or_create(pk=RenderingPause.ONLY, defaults={"since": Now()})
    if is_new:
        logger.info("Rendering is paused")
        _announce()
    return is_new


@transaction.atomic
def resume() -> bool:
    """Resume all rendering, interrupted clips where they stopped. Return whether this call did it."""
    deleted, _by_model = RenderingPause.objects.all().delete()
    if not deleted:
        return False
    logger.info("Rendering resumed")
    _announce()
    transaction.on_commit(_go_on)
    return True


def put_back(held: StageRun) -> bool:
    """Put back the stage that a worker is at, to its place in the queue. This uses up no attempt.

    Return False if the job has ended or was taken over.
    """
    if not claims.release(held, outcomes.PAUSED, "rendering was paused", sends=False):
        return False
    _send_if_over(held.job_id)
    return True


def set_aside(stage: Stage, job_id: UUID, run: int) -> None:
    """Drop a message of a stage, as rendering is paused.

    One of `generate` is only a ticket: its job stays in the line. A later stage is part of a canvas, which is void from
    now on.
    """
    if stage is Stage.GENERATE:
        return
    if job := Job.objects.filter(pk=job_id, run=run, status__in=ACTIVE).first():
        services.requeue(job, run, sends=False)
        _send_if_over(job_id)


def _send_if_over(job_id: UUID) -> None:
    """Send a job if the pause ended in between, so that `_go_on` may have missed it."""
    if not state.is_on():
        services.send([job_id])


def _announce() -> None:
    """Tell all pages with clips that wait or render, and all workers."""
    active = Job.objects.filter(status__in=ACTIVE)
    by_user: dict[int, list[UUID]] = {}
    for user, job in active.values_list("user", "pk"):
        by_user.setdefault(user, []).append(job)
    active.update(version=F("version") + 1)
    for user, jobs in by_user.items():
        transaction.on_commit(partial(events.publish_all, user, jobs))
    names = list(roster.present().values_list("name", flat=True))
    transaction.on_commit(partial(broker.nudge, names))


def _go_on() -> None:
    """Send the messages that were dropped.

    One ticket too many finds nobody, so those that are still there do no harm. What comes after `generate` begins
    another run, which makes messages that are still there void.
    """
    waiting = Job.objects.filter(turns.NOT_PAUSED, status=Status.QUEUED).exclude(waits_in="").order_by("queued_at")
    line = list(waiting.values_list("pk", flat=True))
    for start in range(0, len(line), SENT_AT_ONCE):
        services.send(line[start : start + SENT_AT_ONCE])
    checked = StageRun.objects.filter(stage=Stage.PREPROCESS, status=RunStatus.DONE)
    begun = Job.objects.filter(status__in=ACTIVE, waits_in="", pk__in=checked.values("job"))
    for job in begun.exclude(stage_runs__status=RunStatus.RUNNING).order_by("queued_at"):
        services.requeue(job, job.run)
