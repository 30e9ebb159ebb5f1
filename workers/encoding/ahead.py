"""Encoding a segment while the chunks after it are still being upscaled.

Nobody waits for it and nothing depends on it: the last stage encodes what it does not find.
"""

import logging
from collections.abc import Iterator
from contextlib import suppress
from uuid import UUID

import numpy as np
from django.db import Error

from auravideo.celery import EXPIRES_SECONDS, PRIORITIES, app
from auravideo.core import publish
from auravideo.core.storage import StorageUnavailable
from generation.domain import storage_keys
from generation.domain.errors import RenderError
from generation.domain.plan import Plan
from generation.domain.stages import CPU, STAGES
from generation.domain.states import ACTIVE, RunStatus, Stage, Status
from generation.models import Job, StageRun
from generation.queue import broker
from workers import frame_store, media
from workers.encoding import parts, stored
from workers.encoding.parts import Span

logger = logging.getLogger(__name__)

TASK = "workers.tasks.encode_ahead"


class _NotNeeded(Exception):
    """The clip has ended or begun another run."""


def ask(held: StageRun) -> None:
    """Ask for the segment that a finished chunk completes, unless the last stage follows at once. Never raises."""
    job, stage = held.job, Stage(held.stage)
    plan = job.render_plan
    if not STAGES[stage].per_chunk or plan.stages[-2] != stage or job.request["format"] not in media.IN_SEGMENTS:
        return
    span = next(span for span in parts.spans(plan) if held.chunk in [chunk.index for chunk in span.chunks])
    try:
        done = set(job.stage_runs.filter(stage=stage, status=RunStatus.DONE).values_list("chunk", flat=True))
        if len(done) < len(plan.chunks) and done.issuperset(chunk.index for chunk in span.chunks):
            priority = broker.wire_priority(PRIORITIES - 1)
            args = (str(job.pk), held.run, span.index)
            app.send_task(TASK, args=args, queue=CPU, priority=priority, expires=EXPIRES_SECONDS)
    except (*publish.BROKER_ERRORS, Error) as error:
        logger.info("Nobody was asked to encode segment %s ahead: %s", span.index, error)


def encode(job_id: UUID, run: int, index: int) -> None:
    """Encode and store a segment of a job that is rendering, unless it is there. Never raises for want of frames."""
    job = Job.objects.filter(pk=job_id, run=run, status__in=ACTIVE).first()
    if job is None:
        return
    plan, format = job.render_plan, job.request["format"]
    span = parts.spans(plan)[index]
    try:
        if stored.read(job_id, run, plan, format, span) is None:
            part = parts.make(plan, format, span, _clips(job, plan, span))
            stored.write(job_id, run, plan, format, span, part)
            _check(job)
    except _NotNeeded:
        with suppress(StorageUnavailable):  # `prune` will
            _delete_if_ended(job)
    except (RenderError, StorageUnavailable) as error:
        logger.info("Segment %s is left to the last stage: %s", index, error)


def _clips(job: Job, plan: Plan, span: Span) -> Iterator[np.ndarray]:
    for chunk in span.chunks:
        _check(job)
        yield frame_store.read_chunk(storage_keys.chunk(job.pk, plan.stages[-2], chunk.index))


def _check(job: Job) -> None:
    if not Job.objects.filter(pk=job.pk, run=job.run, status__in=ACTIVE).exists():
        raise _NotNeeded


def _delete_if_ended(job: Job) -> None:
    """Delete what was written after the job's frames were deleted; a failed job keeps them for its next run."""
    if not Job.objects.filter(pk=job.pk).exclude(status__in=(Status.DONE, Status.CANCELLED)).exists():
        frame_store.delete_job(job.pk)
