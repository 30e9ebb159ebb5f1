"""A job as one static Celery canvas of immutable signatures that carry ids, never data.

Tasks are named, not imported: a web process must never load what the workers load.
"""

from collections.abc import Collection
from uuid import UUID

from celery import chain, group
from celery.canvas import Signature

from auravideo.celery import app
from generation.domain.plan import Plan
from generation.domain.stages import CPU, LAST, STAGES, blocks, task_of
from generation.domain.states import Stage
from generation.queue import broker


def signature(job_id: UUID, run: int, stage: Stage, chunk: int = 0) -> Signature:
    """Return the message that does one stage of one chunk."""
    args = (str(job_id), run, chunk)
    return app.signature(task_of(stage), args=args, immutable=True, queue=STAGES[stage].queue)


def canvas(job_id: UUID, run: int, plan: Plan, done: Collection[tuple[Stage, int]] = ()) -> Signature:
    """Return what is left of a job: `plan` without the (stage, chunk) pairs in `done`, whose output is already stored.

    chain(preprocess, generate, group(chain(interpolate[i], upscale[i]) for each chunk i), assemble)

    The last stage is never left out: without it, no message would end the job.
    """
    steps: list[Signature] = []
    for per_chunk, block in blocks(plan.stages):
        chains = []
        for chunk in range(len(plan.chunks) if per_chunk else 1):
            left = [stage for stage in block if stage is LAST or (stage, chunk) not in done]
            chains.append([signature(job_id, run, stage, chunk) for stage in left])
        steps += _parallel([links for links in chains if links])
    return chain(*steps)


def _parallel(chains: list[list[Signature]]) -> list[Signature]:
    """Return the steps that do several chains side by side; one alone needs no group."""
    if len(chains) <= 1:
        return [link for links in chains for link in links]
    return [group(*(chain(*links) if len(links) > 1 else links[0] for links in chains))]


def send(job_id: UUID, run: int, priority: int, plan: Plan, done: Collection[tuple[Stage, int]] = ()) -> None:
    """Send what is left of a job. Raises RedisError or OperationalError when the broker does not answer."""
    broker.connection().ping()  # answers or fails at once; Celery would try for many seconds
    canvas(job_id, run, plan, done).apply_async(priority=priority)


def send_discard(job_id: UUID) -> None:
    """Ask a worker to delete the frames of a job."""
    app.send_task("workers.tasks.discard", args=(str(job_id),), queue=CPU, priority=0)
