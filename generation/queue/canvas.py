"""A job as static Celery canvases of immutable signatures that carry IDs, never data.

The stages of a whole clip that come before the chunks are sent alone: a canvas binds what follows to one message, but
whose clip is generated is decided when a worker takes a message (generation/queue/turns.py).

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

ALONE = (Stage.PREPROCESS, Stage.GENERATE)

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


def alone(plan: Plan, done: Collection[tuple[Stage, int]] = ()) -> Stage | None:
    """Return the stage that is next and sent alone; None if only those that are sent together are left."""
    return next((stage for stage in ALONE if stage in plan.stages and (stage, 0) not in done), None)


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
    """Send the next step of a job: a stage that stands alone, or all that are left.

    Raises RedisError or OperationalError if the broker is unavailable.
    """
    broker.ping()  # fail fast; Celery would retry for many seconds
    stage = alone(plan, done)
    step = signature(job_id, run, stage, queues=queues) if stage else canvas(job_id, run, plan, done, queues)
    step.apply_async(priority=broker.wire_priority(priority))


def send_discard(job_id: UUID) -> None:
    """Ask a worker to delete the frames of a job."""
    app.send_task("workers.tasks.discard", args=(str(job_id),), queue=CPU, priority=broker.wire_priority(0))
