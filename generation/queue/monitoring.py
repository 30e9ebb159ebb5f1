"""How the work goes, for whoever runs the site: read only, and never waiting long for what does not answer."""

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

ANSWER_SECONDS = 0.7  # workers that are alive answer in a few hundredths
RECENT = 50  # runs of a stage that its times are taken from
DAYS = 14


@dataclass(frozen=True)
class QueueHealth:
    """One queue: how many messages wait, how many workers read it."""

    name: str
    waiting: int
    workers: int


@dataclass(frozen=True)
class StageHealth:
    """How long a stage took of late, in seconds; `runs` of them."""

    label: Any
    runs: int
    median: float
    mean: float


@dataclass(frozen=True)
class Day:
    """The jobs of one day, by how they ended."""

    date: date
    done: int
    failed: int


def jobs_by_state() -> list[tuple[Any, int]]:
    """Every state by its name, with how many jobs are in it."""
    counts = dict(Job.objects.order_by().values_list("status").annotate(Count("pk")))
    return [(label, counts.get(status, 0)) for status, label in STATUS_LABELS.items()]


def queues() -> list[QueueHealth] | None:
    """None where the broker does not answer."""
    try:
        depths, workers = broker.depths(), broker.live_workers(ANSWER_SECONDS)
    except publish.BROKER_ERRORS:
        return None
    return [QueueHealth(name, depths[name], workers[name]) for name in QUEUES]


def stages() -> list[StageHealth]:
    """The stages that have run, in their order."""
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
    """The last days, the oldest first, also those on which nothing ended."""
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
