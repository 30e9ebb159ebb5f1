"""A job as one static Celery canvas of immutable signatures that carry IDs, never data.

Tasks are referenced by name so that the web process never imports the workers' dependencies.
"""

from collections.abc import Collection, Mapping
from types import MappingProxyType
from uuid import UUID

from celery import chain, group
from celery.canvas import Signature

from auravideo.celery import app
from generation.domain.plan import Plan
from generation.domain.stages import CPU, LAST, STAGES, blocks, task_of
from generation.domain.states import Stage
from generation.queue import broker

Queues = Mapping[Stage, str]
"""The queue of each stage, if it is not the stage's own: see generation/domain/memory_classes.py."""


def signature(job_id: UUID, run: int, stage: Stage, chunk: int = 0, queues: Queues = MappingProxyType({})) -> Signature:
    """Return the signature that runs one stage of one chunk."""
    args = (str(job_id), run, chunk)
    queue = queues.get(stage, STAGES[stage].queue)
    return app.signature(task_of(stage), args=args, immutable=True, queue=queue)


def canvas(
    job_id: UUID,
    run: int,
    plan: Plan,
    done: Collection[tuple[Stage, int]] = (),
    queues: Queues = MappingProxyType({}),
) -> Signature:
    """Return the remaining work of a job: `plan` minus the (stage, chunk) pairs in `done`, whose output is stored.

    chain(preprocess, generate, group(chain(interpolate[i], upscale[i]) for each chunk i), assemble)

    The last stage is always included: without it, nothing would end the job.
    """
    steps: list[Signature] = []
    for per_chunk, block in blocks(plan.stages):
        chains = []
        for chunk in range(len(plan.chunks) if per_chunk else 1):
            left = [stage for stage in block if stage is LAST or (stage, chunk) not in done]
            chains.append([signature(job_id, run, stage, chunk, queues) for stage in left])
        steps += _parallel([links for links in chains if links])
    return chain(*steps)


def _parallel(chains: list[list[Signature]]) -> list[Signature]:
    """Return the steps that run several chains in parallel; a single chain needs no group."""
    if len(chains) <= 1:
        return [link for links in chains for link in links]
    return [group(*(chain(*links) if len(links) > 1 else links[0] for links in chains))]


def send(
    job_id: UUID,
    run: int,
    priority: int,
    plan: Plan,
    done: Collection[tuple[Stage, int]] = (),
    queues: Queues = MappingProxyType({}),
) -> None:
    """Send the remaining work of a job. Raises RedisError or OperationalError if the broker is unavailable."""
    broker.ping()  # fail fast; Celery would retry for many seconds
    canvas(job_id, run, plan, done, queues).apply_async(priority=broker.wire_priority(priority))


def send_discard(job_id: UUID) -> None:
    """Ask a worker to delete the frames of a job."""
    app.send_task("workers.tasks.discard", args=(str(job_id),), queue=CPU, priority=broker.wire_priority(0))
