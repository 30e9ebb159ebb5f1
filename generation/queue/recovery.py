"""Find what a lost worker, a wiped broker or a missed message left behind, and see it through.

Run by the scheduler every few seconds. `services.requeue` is a compare-and-set, so that two sweepers do no harm.
"""

import logging
from datetime import timedelta

import redis
from django.conf import settings
from django.utils import timezone

from generation.domain.states import ACTIVE, RunStatus, Stage
from generation.models import Job, StageRun
from generation.queue import broker, claims, services

log = logging.getLogger(__name__)

# Between the end of a stage and the next one's message, a job stands nowhere but in the database.
GRACE_SECONDS = 20


def requeue_lost() -> int:
    """Requeue every job whose worker stopped giving signs of life, and every one that no message stands for.

    Returns how many were requeued.
    """
    return _requeue_dead_claims() + _requeue_forgotten_jobs()


def _requeue_dead_claims() -> int:
    limit = timezone.now() - timedelta(seconds=settings.LOST_AFTER_SECONDS)
    dead = StageRun.objects.filter(status=RunStatus.RUNNING, heartbeat_at__lt=limit)
    requeued = 0
    for held in dead:
        log.warning("Lost: %s (worker %s)", held, held.worker)
        requeued += claims.lose(held.job_id, held.run, Stage(held.stage), held.chunk)
    return requeued


def _requeue_forgotten_jobs() -> int:
    limit = timezone.now() - timedelta(seconds=GRACE_SECONDS)
    quiet = Job.objects.filter(status__in=ACTIVE, touched_at__lt=limit).exclude(stage_runs__status=RunStatus.RUNNING)
    candidates = list(quiet)
    if not candidates:
        return 0
    try:
        standing = broker.standing_messages()
    except redis.RedisError as error:
        log.warning("The broker does not answer, so lost messages cannot be found now: %s", error)
        return 0
    forgotten = [job for job in candidates if (str(job.pk), job.run) not in standing]
    return sum(_requeue_if_still_quiet(job) for job in forgotten)


def _requeue_if_still_quiet(job: Job) -> bool:
    """A stage may have been claimed since the job was read."""
    if StageRun.objects.filter(job=job, run=job.run, status=RunStatus.RUNNING).exists():
        return False
    log.warning("No message stands for job %s, run %s", job.pk, job.run)
    return services.requeue(job, job.run)
