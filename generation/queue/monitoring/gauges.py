"""The present state of the site as Prometheus gauges, computed when they are asked for.

Each is a bounded query: active jobs by an index, the ends of the broker's lists, one key per living process. A part
that is down leaves out its own gauges, says so in `auravideo_up`, and delays the rest by its timeout at most.
"""

import logging
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import product

from django.db import DatabaseError
from django.db.models import Count, Min
from django.utils import timezone
from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily

from auravideo.core import publish
from auravideo.core.metrics import certificate, declared, presence, totals
from auravideo.core.metrics.presence import WEB, Presence
from auravideo.version import VERSION
from generation.domain.errors import ERRORS
from generation.domain.stages import QUEUES, STAGES
from generation.domain.states import ACTIVE, ENDED, Status
from generation.models import Job
from generation.queue import broker, roster
from generation.queue.monitoring.outcomes import OUTCOMES
from generation.queue.pausing.state import is_on

logger = logging.getLogger(__name__)

ENGINES = ("text-to-video", "interpolation", "upscaling")
_DOWN = (DatabaseError, *publish.BROKER_ERRORS)


class SiteCollector:
    """Everything that /metrics shows: the totals of the site and its present state."""

    def collect(self) -> Iterator[Metric]:
        """Yield all metrics. Never raises because a part of the site is down."""
        _name_labels()
        up = _gauge("up", "Whether a part of the site answered this scrape.", "part")
        for part, collect in _PARTS.items():
            metrics = _attempt(part, collect)
            yield from metrics or ()
            up.add_metric([part], metrics is not None)
        yield up
        yield from _certificate()
        info = GaugeMetricFamily("auravideo_info", "The version that answered this scrape.", labels=["version"])
        info.add_metric([VERSION], 1)
        yield info


def _attempt(part: str, collect: Callable[[], list[Metric]]) -> list[Metric] | None:
    """Return a part's metrics, or None if it is down."""
    try:
        return collect()
    except _DOWN as error:
        logger.warning("Metrics without the %s: %s", part, error)
        return None


def _gauge(name: str, about: str, *labels: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(declared.PREFIX + name, about, labels=labels)


def _name_labels() -> None:
    """Make every known label value exist, so that a first failure is an increase from zero, not a new series."""
    for state in ENDED:
        declared.JOBS_ENDED.labels(state=state.value)
    for error in ERRORS:
        declared.JOBS_FAILED.labels(error=error)
    for engine in ENGINES:
        declared.OUT_OF_MEMORY.labels(engine=engine)
    for storage, direction in product(("frames", "default"), ("read", "write")):
        declared.STORAGE_BYTES.labels(storage=storage, direction=direction)
        declared.STORAGE_ERRORS.labels(storage=storage, direction=direction)
    for stage in STAGES:
        declared.STAGE_SECONDS.labels(stage=stage.value)
        for outcome in OUTCOMES:
            declared.STAGE_ATTEMPTS.labels(stage=stage.value, outcome=outcome)


def _database() -> list[Metric]:
    return [*_jobs(), *_workers()]


def _jobs() -> list[Metric]:
    jobs = _gauge("jobs", "Jobs that are waiting or rendering.", "state")
    rows = Job.objects.filter(status__in=ACTIVE).order_by().values_list("status").annotate(Count("pk"))
    counts = {Status(status): count for status, count in rows}
    for status in sorted(ACTIVE):
        jobs.add_metric([status.value], counts.get(status, 0))
    oldest = _gauge("oldest_queued_job_seconds", "Time that the longest-waiting job has been queued.")
    since = Job.objects.filter(status=Status.QUEUED).aggregate(since=Min("queued_at"))["since"]
    oldest.add_metric([], max(0.0, (timezone.now() - since).total_seconds()) if since else 0)
    paused = _gauge("rendering_paused", "Whether all rendering is paused.")
    paused.add_metric([], is_on())
    return [jobs, oldest, paused]


def _queues() -> list[Metric]:
    depth = _gauge("queue_messages", "Messages waiting in a queue.", "queue")
    oldest = _gauge("queue_oldest_seconds", "Age of the oldest message waiting in a queue.", "queue")
    depths, ages = broker.depths(), broker.oldest()
    for queue in QUEUES:
        depth.add_metric([queue], depths[queue])
        if queue in ages:
            oldest.add_metric([queue], ages[queue])
    return [depth, oldest]


def _workers() -> list[Metric]:
    workers = _gauge("workers", "Living workers of a queue.", "queue")
    counts = roster.workers_by_queue()
    for queue in QUEUES:
        workers.add_metric([queue], counts[queue])
    return [workers]


def _processes() -> list[Metric]:
    found = presence.present()
    processes = _gauge("processes", "Living processes of the site, by version.", "kind", "version")
    for (kind, version), count in sorted(Counter((process.kind, process.version) for process in found).items()):
        processes.add_metric([kind, version], count)
    sockets = _gauge("websockets_open", "Open WebSockets.", "machine")
    opened: Counter[str] = Counter()
    for process in found:
        if process.kind == WEB:
            opened[process.machine] += process.websockets
    for machine, number in sorted(opened.items()):
        sockets.add_metric([machine], number)
    return [*totals.read(), processes, sockets, *_disks(found), *_gpus(found), *_schedule()]


def _disks(found: list[Presence]) -> list[Metric]:
    free = _gauge("disk_free_bytes", "Free space where a machine keeps AURAVIDEO_HOME.", "machine")
    size = _gauge("disk_size_bytes", "Size of the disk where a machine keeps AURAVIDEO_HOME.", "machine")
    known = {process.machine: process.disk for process in found if any(process.disk)}
    for machine, (left, total) in sorted(known.items()):
        free.add_metric([machine], left)
        size.add_metric([machine], total)
    return [free, size]


def _gpus(found: list[Presence]) -> list[Metric]:
    """Return one series per card, however many workers report it."""
    labels = ("gpu", "machine", "name")
    used = _gauge("gpu_memory_used_bytes", "Memory in use on a graphics card, by all programs.", *labels)
    total = _gauge("gpu_memory_bytes", "Memory of a graphics card.", *labels)
    busy = _gauge("gpu_busy_ratio", "Share of time in which a graphics card computed.", *labels)
    cards = {gpu["uuid"]: (process.machine, gpu) for process in found for gpu in process.gpus}
    for uuid, (machine, gpu) in sorted(cards.items()):
        values = [uuid, machine, gpu["name"]]
        used.add_metric(values, gpu["used"])
        total.add_metric(values, gpu["total"])
        busy.add_metric(values, gpu["busy"])
    return [used, total, busy]


def _schedule() -> list[Metric]:
    """Return the age of the last scheduled task; no sample before the first one."""
    age = _gauge("scheduler_idle_seconds", "Time since the scheduler last sent its most frequent task.")
    if (seconds := presence.since_schedule()) is not None:
        age.add_metric([], seconds)
    return [age]


def _certificate() -> list[Metric]:
    """Return the life of the certificate that visitors get; nothing without HTTPS or if the address does not answer."""
    origin = certificate.public_origin()
    if not origin:
        return []
    left = _gauge("certificate_expires_seconds", "Time until the certificate at the public address expires.")
    try:
        left.add_metric([], certificate.expires_in(origin))
    except OSError as error:
        logger.warning("Metrics without the certificate of %s: %s", origin, error)
    return [left]


_PARTS: dict[str, Callable[[], list[Metric]]] = {"database": _database, "broker": _queues, "metrics": _processes}
