"""A job as one static Celery canvas of immutable signatures that carry ids, never data.

Tasks are named, not imported: a web process must never load what the workers load.
"""

from collections.abc import Collection
from uuid import UUID

from celery import chain, group
from celery.canvas import Signature

from auravideo.celery import app
from generation.domain.plan import Plan
from generation.domain.states import QUEUES, Stage
from generation.queue import broker


def signature(job_id: UUID, run: int, stage: Stage, chunk: int = 0) -> Signature:
    """The message that does one stage of one chunk."""
    name = f"workers.tasks.{stage.value}"
    return app.signature(name, args=(str(job_id), run, chunk), immutable=True, queue=QUEUES[stage])


def canvas(job_id: UUID, run: int, plan: Plan, done: Collection[tuple[Stage, int]] = ()) -> Signature:
    """What is left of a job: `plan` without the (stage, chunk) pairs in `done`, whose output is already stored.

    chain(preprocess, generate, group(chain(interpolate[i], upscale[i]) for each chunk i), assemble)
    """
    left = [unit for unit in plan.units if unit not in done]
    serial = [signature(job_id, run, stage) for stage, _chunk in left if stage in (Stage.PREPROCESS, Stage.GENERATE)]
    chunks: dict[int, list[Signature]] = {}
    for stage, chunk in left:
        if stage in (Stage.INTERPOLATE, Stage.UPSCALE):
            chunks.setdefault(chunk, []).append(signature(job_id, run, stage, chunk))
    parallel = [chain(*steps) if len(steps) > 1 else steps[0] for steps in chunks.values()]
    middle = [group(*parallel)] if len(parallel) > 1 else parallel
    return chain(*serial, *middle, signature(job_id, run, Stage.ASSEMBLE))


def send(job_id: UUID, run: int, priority: int, plan: Plan, done: Collection[tuple[Stage, int]] = ()) -> None:
    """Send what is left of a job. Raises RedisError or OperationalError when the broker does not answer."""
    broker.connection().ping()  # answers or fails at once; Celery would try for many seconds
    canvas(job_id, run, plan, done).apply_async(priority=priority)


def send_discard(job_id: UUID) -> None:
    """Ask a worker to delete the frames of a job."""
    app.send_task("workers.tasks.discard", args=(str(job_id),), queue="cpu", priority=0)
