"""The message of a job's next step, and its priority."""

from collections.abc import Sequence
from functools import partial
from uuid import UUID

from auravideo.core import publish
from generation.domain.states import Stage
from generation.models import Job
from generation.queue import canvas, placement, turns, units
from generation.queue.loading import ahead
from generation.requests.request import InvalidRequest

MAX_PRIORITY = 9


def send(job_ids: Sequence[UUID]) -> list[tuple[Job, InvalidRequest]]:
    """Send the next step of active jobs, in order, reading their state after the commit.

    Returns:
        The jobs that have none, because their request or plan cannot be read, and why.
    """
    done = units.done_of_all(job_ids)
    jobs = Job.objects.in_bulk(job_ids)
    early, unreadable = [], []
    for job in (jobs[job_id] for job_id in job_ids if job_id in jobs and jobs[job_id].is_active):
        try:
            plan, request = units.frozen_plan(job), job.render_request
        except InvalidRequest as error:
            unreadable.append((job, error))
            continue
        finished, queues = done.get(job.pk, set()), placement.queues_of(request, plan)
        stage = canvas.alone(plan, finished)
        send = partial(canvas.send, job.pk, job.run, _priority(job, stage, queues), plan, finished, queues)
        if publish.attempt(send, f"the message of job {job.pk}") and stage is not None:
            early.append((job, plan))
    ahead.ask(early)
    return unreadable


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
