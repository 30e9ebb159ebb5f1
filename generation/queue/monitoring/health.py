"""The health of the queues and stages, for operators. Read only; never waits long for a dead service."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from statistics import mean, median
from typing import Any

from django.db.models import Count, Q
from django.db.models.functions import TruncDate
from django.utils import timezone

from auravideo.core import publish
from generation.domain.stages import QUEUES, STAGES
from generation.domain.states import RunStatus, Stage, Status
from generation.models import STAGE_LABELS, STATUS_LABELS, Job, StageRun
from generation.queue import broker

ANSWER_SECONDS = 0.7  # live workers answer within hundredths of a second
RECENT = 50  # most recent runs of a stage that its times are taken from
DAYS = 14


@dataclass(frozen=True)
class QueueHealth:
    """One queue: its waiting messages and live workers."""

    name: str
    waiting: int
    workers: int


@dataclass(frozen=True)
class StageHealth:
    """Recent durations of a stage, in seconds, over `runs` runs."""

    label: Any
    runs: int
    median: float
    mean: float


@dataclass(frozen=True)
class Day:
    """Jobs that ended on one day, by outcome."""

    date: date
    done: int
    failed: int


def jobs_by_state() -> list[tuple[Any, int]]:
    """Return (label, number of jobs) for every state."""
    counts = dict(Job.objects.order_by().values_list("status").annotate(Count("pk")))
    return [(label, counts.get(status, 0)) for status, label in STATUS_LABELS.items()]


def queues() -> list[QueueHealth] | None:
    """Return the health of every queue, or None if the broker is unavailable."""
    try:
        depths, workers = broker.depths(), broker.live_workers(ANSWER_SECONDS)
    except publish.BROKER_ERRORS:
        return None
    return [QueueHealth(name, depths[name], workers[name]) for name in QUEUES]


def stages() -> list[StageHealth]:
    """Return the health of every stage that has run, in pipeline order."""
    return [found for stage in STAGES if (found := _stage(stage)) is not None]


def _stage(stage: Stage) -> StageHealth | None:
    runs = StageRun.objects.filter(stage=stage, status=RunStatus.DONE, ended_at__isnull=False).order_by("-ended_at")
    times = [
        (ended - started).total_seconds()
        for started, ended in runs.values_list("started_at", "ended_at")[:RECENT]
        if ended
    ]
    return StageHealth(STAGE_LABELS[stage], len(times), median(times), mean(times)) if times else None


def days() -> list[Day]:
    """Return the last `DAYS` days, oldest first, including days on which nothing ended."""
    today = timezone.localdate()
    ended = Job.objects.filter(ended_at__date__gt=today - timedelta(days=DAYS)).order_by()
    done, failed = (Count("pk", filter=Q(status=status)) for status in (Status.DONE, Status.FAILED))
    rows = ended.annotate(day=TruncDate("ended_at")).values_list("day").annotate(done=done, failed=failed)
    found = {day: (done, failed) for day, done, failed in rows}
    return list(_days(today, found))


def _days(today: date, found: dict[date, tuple[int, int]]) -> Iterator[Day]:
    for ago in reversed(range(DAYS)):
        day = today - timedelta(days=ago)
        yield Day(day, *found.get(day, (0, 0)))
