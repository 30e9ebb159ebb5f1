"""Recovery of jobs left behind by a lost worker, a wiped broker or an unsent message.

The scheduler runs it every few seconds. `services.requeue` is a compare-and-set, so concurrent sweeps are safe.
"""

import logging
from contextlib import suppress
from datetime import timedelta

import redis
from django.conf import settings
from django.db.models.functions import Now

from auravideo.core import publish
from auravideo.core.logs import ids
from generation.domain.memory_classes import class_queues, queue_for
from generation.domain.stages import STAGES
from generation.domain.states import ACTIVE, RunStatus, Stage, Status
from generation.models import Job, StageRun
from generation.queue import broker, claims, placement, roster, services, turns
from generation.queue.pausing import state
from generation.requests.request import InvalidRequest

logger = logging.getLogger(__name__)

# Between the end of a stage and the message for the next, a job exists only in the database.
GRACE_SECONDS = 20


_SWEPT = "auravideo:swept"  # expires in Redis
WATCHED_SECONDS = 45  # three sweeps


def sweep() -> int:
    """Call `requeue_lost`. After a time without sweeps, leave the claims to the next one.

    If the database was away, nobody could send a heartbeat, and whoever is alive does so now.
    """
    client = broker.connection()
    try:
        has_watched = bool(client.exists(_SWEPT))
    except redis.RedisError:  # if RabbitMQ carries the messages
        has_watched = True
    requeued = requeue_lost() if has_watched else _requeue_forgotten_jobs()
    with suppress(redis.RedisError):
        client.set(_SWEPT, "", ex=WATCHED_SECONDS)
    return requeued


def requeue_lost() -> int:
    """Requeue every job whose worker stopped sending heartbeats, and every active job without a message.

    Returns the number of requeued jobs. Dead workers leave the roster on the way.
    """
    roster.forget_dead()
    return _requeue_dead_claims() + _requeue_forgotten_jobs() + _requeue_stranded_jobs()


def _requeue_dead_claims() -> int:
    limit = Now() - timedelta(seconds=settings.LOST_AFTER_SECONDS)
    dead = StageRun.objects.filter(status=RunStatus.RUNNING, heartbeat_at__lt=limit).select_related("job")
    requeued = 0
    for held in dead:
        with ids.about(job=held.job_id, run=held.run, stage=held.stage, chunk=held.chunk):
            if claims.was_handed_back(held.pk):
                requeued += claims.release(held)
                continue
            logger.warning("Lost %s (worker %s)", held, held.worker)
            requeued += claims.lose(held.job_id, held.run, Stage(held.stage), held.chunk)
    return requeued


def _requeue_forgotten_jobs() -> int:
    if state.is_on():  # most have no message then, see generation/queue/pausing
        return 0
    limit = Now() - timedelta(seconds=GRACE_SECONDS)
    quiet = Job.objects.filter(turns.NEEDS_A_MESSAGE, status__in=ACTIVE, touched_at__lt=limit)
    quiet = quiet.exclude(stage_runs__status=RunStatus.RUNNING)
    candidates = list(quiet)
    if not candidates:
        return 0
    try:
        forgotten = broker.without_message(candidates)
    except publish.BROKER_ERRORS as error:
        logger.warning("Broker unavailable, cannot look for lost messages: %s", error)
        return 0
    return sum(_requeue_if_still_quiet(job) for job in forgotten)


def _requeue_stranded_jobs() -> int:
    """Requeue clips that were passed on to a larger worker which has gone, although others have the memory for them."""
    queue = STAGES[Stage.GENERATE].queue
    waiting = Job.objects.filter(turns.NOT_PAUSED, status=Status.QUEUED).exclude(waits_in__in=("", queue))
    if state.is_on() or not waiting.exists():
        return 0
    unread = [name for name in class_queues(queue) if not roster.is_read(name)]
    requeued = 0
    for job in waiting.filter(waits_in__in=unread):
        try:
            need = placement.needed(Stage.GENERATE, job.render_request, job.render_plan)
        except InvalidRequest:  # whoever runs the job says so
            continue
        if queue_for(queue, need.card) not in unread and roster.has_able(queue, need, need.card):
            with ids.about(job=job.pk, run=job.run):
                logger.info("Nobody reads %s any more, and others can render job %s", job.waits_in, job.pk)
                requeued += services.requeue(job, job.run)
    return requeued


def _requeue_if_still_quiet(job: Job) -> bool:
    """Requeue a job unless one of its stages was claimed since the job was read. Return whether it was requeued."""
    if StageRun.objects.filter(job=job, run=job.run, status=RunStatus.RUNNING).exists():
        return False
    with ids.about(job=job.pk, run=job.run):
        logger.warning("Job %s, run %s has no message in the broker", job.pk, job.run)
        return services.requeue(job, job.run)
