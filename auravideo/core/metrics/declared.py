"""Every counter and histogram of the site.

Gauges are computed when they are asked for (generation/queue/monitoring/gauges.py). prometheus_client only, because the
engines count here as well, and they know no settings.
"""

from collections.abc import Sequence

from prometheus_client import CollectorRegistry, Counter, Histogram

PREFIX = "auravideo_"
REGISTRY = CollectorRegistry(auto_describe=True)
BUCKETS: dict[str, tuple[float, ...]] = {}  # of each histogram, by its full name

_REQUEST_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_WORK_SECONDS = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800, 3600)
_WAIT_SECONDS = (*_WORK_SECONDS, 3 * 3600, 12 * 3600, 24 * 3600)


def _counter(name: str, about: str, labels: Sequence[str] = ()) -> Counter:
    return Counter(PREFIX + name, about, labels, registry=REGISTRY)


def _histogram(name: str, about: str, labels: Sequence[str], buckets: tuple[float, ...]) -> Histogram:
    BUCKETS[PREFIX + name] = (*buckets, float("inf"))
    return Histogram(PREFIX + name, about, labels, buckets=buckets, registry=REGISTRY)


JOBS_SUBMITTED = _counter("jobs_submitted", "Jobs that users queued.")
JOBS_RETRIED = _counter("jobs_retried", "Failed or cancelled jobs that their owners queued again.")
JOBS_REQUEUED = _counter(
    "jobs_requeued", "Jobs that went back to the queue: lost worker, lost message, stopping worker."
)
JOBS_ENDED = _counter("jobs_ended", "Jobs that ended, by the state they ended in.", ["state"])
JOBS_FAILED = _counter("jobs_failed", "Failed jobs, by error ID (generation/domain/errors.py).", ["error"])
JOB_WAIT_SECONDS = _histogram("job_wait_seconds", "Time from queuing a job to its start.", [], _WAIT_SECONDS)
JOB_SECONDS = _histogram("job_seconds", "Time from queuing a job to its finished video.", [], _WAIT_SECONDS)

STAGE_SECONDS = _histogram("stage_seconds", "Duration of finished stages, per chunk.", ["stage"], _WORK_SECONDS)
STAGE_ATTEMPTS = _counter("stage_attempts", "Attempts at a stage, by how they ended.", ["stage", "outcome"])
OUT_OF_MEMORY = _counter(
    "out_of_memory", "Out-of-memory errors in an engine, including those it recovered from.", ["engine"]
)

STORAGE_BYTES = _counter(
    "storage_bytes", "Bytes moved to (write) and from (read) the storage.", ["storage", "direction"]
)
STORAGE_ERRORS = _counter("storage_errors", "Failed transfers to and from the storage.", ["storage", "direction"])

HTTP_REQUESTS = _counter("http_requests", "HTTP requests, by URL name and status.", ["method", "view", "status"])
REQUESTS_SHED = _counter("requests_shed", "Requests that an overloaded web process turned away (503).")
HTTP_SECONDS = _histogram("http_request_seconds", "Time to the response's first byte.", ["view"], _REQUEST_SECONDS)
WEBSOCKETS_OPENED = _counter("websockets_opened", "WebSockets that were accepted.")
