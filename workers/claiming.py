"""What a worker does with a message: claim the stage that it names, or the one whose turn it is."""

import logging
from functools import partial
from uuid import UUID

from celery import current_task

from generation.domain.stages import STAGES
from generation.domain.states import Stage
from generation.models import Job, StageRun
from generation.queue import claims, turns
from generation.queue.pausing import services as pausing
from generation.queue.pausing import state
from workers import membership

logger = logging.getLogger(__name__)

# A unit is passed on by workers that are too small, drained or cold. Workers that would pass it around are a bug, and a
# limit turns that into an error.
MAX_HOPS = 1000


def claim(stage: Stage, job_id: UUID, run: int, chunk: int) -> StageRun | None:
    """Claim a stage. Return None if there is nothing to do.

    Raises:
        Retry: another worker should run it; its message was sent again, which uses up no attempt.
    """
    if state.holds(stage):
        pausing.set_aside(stage, job_id, run)
        return None
    if stage is not Stage.GENERATE:
        return _claim(stage, job_id, run, chunk)
    queue, taken = _queue() or STAGES[stage].queue, set[UUID]()
    while job := turns.next_job(queue, (job_id, run), taken):
        taken.add(job.pk)
        if held := _claim(stage, job.pk, job.run, chunk, job):
            return held
    return None


def _claim(stage: Stage, job_id: UUID, run: int, chunk: int, waiting: Job | None = None) -> StageRun | None:
    try:
        return claims.claim(job_id, run, stage, chunk, membership.worker_name(), partial(membership.consider, stage))
    except membership.PassOn as better:
        if waiting is not None:
            turns.move(waiting, better.queue)  # a message of that queue is about it now
        raise current_task.retry(queue=better.queue, countdown=0, max_retries=MAX_HOPS, throw=False) from None


def _queue() -> str:
    """Return the queue of the message that this process works on; "" outside of a task."""
    delivery = current_task.request.delivery_info if current_task else None
    return (delivery or {}).get("routing_key") or ""
