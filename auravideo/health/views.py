"""The two probes. Anybody may read them, so they tell which parts work and no more; the log says why one does not."""

from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from auravideo.health import checks
from auravideo.health.monitor import Monitor
from generation.domain.stages import QUEUES

STARTING_SECONDS = 20.0  # `serve` starts the pages and the scheduler together

# Without these no page can be shown, so a load balancer should use another web process. The others concern all web
# processes alike; taking them out of service would turn a missing worker into a missing site.
VITAL = {
    "database": Monitor("database", checks.database, False),
    "broker": Monitor("broker", checks.message_broker, False),
}
OTHERS = {
    "storage": Monitor("storage", checks.storage, False),
    "scheduler": Monitor("scheduler", checks.schedule, False, starts_within=STARTING_SECONDS),
    "processes": Monitor("processes", checks.processes, False),
}
# By folder, since a full disk of frames is another matter than a read-only home.
DISK: Monitor[dict[str, str]] = Monitor("disk", checks.disk, {})
# Unknown, not missing, while the database that lists them does not answer.
WORKERS: Monitor[dict[str, bool | None]] = Monitor("workers", checks.workers, dict.fromkeys(QUEUES))


@require_safe
@never_cache
def live(_request: HttpRequest) -> JsonResponse:
    """Return 200: this process answers. It depends on nothing else, so a restart would help if it did not."""
    return JsonResponse({"status": "ok"})


@require_safe
@never_cache
def ready(_request: HttpRequest) -> JsonResponse:
    """Return which parts work: 503 if this process can show no page, otherwise 200."""
    for monitor in (*VITAL.values(), *OTHERS.values()):
        monitor.refresh()
    DISK.refresh()
    WORKERS.refresh()
    vital = {name: monitor.answer() for name, monitor in VITAL.items()}
    others = {name: monitor.answer() for name, monitor in OTHERS.items()}
    disk, workers = DISK.answer(), WORKERS.answer()
    has_room = bool(disk) and all(state == "ok" for state in disk.values())
    well = all(vital.values()) and all(others.values()) and has_room and all(workers.values())
    status = "down" if not all(vital.values()) else "ok" if well else "degraded"
    parts = {"status": status, **vital, **others, "disk": disk, "workers": workers}
    return JsonResponse(parts, status=503 if status == "down" else 200)
