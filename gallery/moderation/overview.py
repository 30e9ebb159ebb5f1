"""The admin overview: queues and stages, storage, open reports."""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.core.files.storage import FileSystemStorage, storages
from django.db.models import Count, Q, Sum
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from accounts.models import User
from gallery.access import MODERATE
from gallery.models import TO_SCREEN, OwnCheck, Report, ReportState, SafetyRule, Screened, Screening, Video
from gallery.moderation import alerts, newcomers
from generation.inbox import folder as inbox
from generation.queue.monitoring import health

NEWEST = 5
PLOT_HEIGHT = 60  # height of the columns, in SVG units


@dataclass(frozen=True)
class Stored:
    """Storage used by videos, in bytes; `free` and `all` describe the disk, None if the storage is remote."""

    videos: int
    bytes: int
    in_trash: int
    free: int | None
    all: int | None

    @property
    def used_percent(self) -> int:
        return round(100 * (1 - self.free / self.all)) if self.all and self.free is not None else 0


@require_safe
def overview(request: HttpRequest) -> HttpResponse:
    """Show the overview to moderators and superusers. The admin site has already excluded non-staff users."""
    if not request.user.has_perm(MODERATE):
        raise PermissionDenied
    open_reports = Report.objects.filter(state=ReportState.OPEN)
    context = {
        **admin.site.each_context(request),
        "title": _("Overview"),
        "states": bars(health.jobs_by_state()),
        "queues": health.queues(),
        "stages": health.stages(),
        "days": columns(health.days()),
        "stored": stored(),
        "newcomers": User.objects.awaiting_approval().count(),
        "newcomers_url": newcomers.list_url(),
        "dropped": inbox.waiting(settings.HOME) if request.user.has_perm(inbox.PERMISSION) else 0,
        "waiting": Video.objects.kept().filter(screening=Screened.FLAGGED).count(),
        "waiting_url": alerts.waiting_list(),
        "unseen": unseen(),
        "open_reports": open_reports.count(),
        "reports": open_reports.select_related("video", "reporter").order_by("-created_at")[:NEWEST],
    }
    return render(request, "admin/overview.html", context)


def unseen() -> dict[str, Any]:
    """Return how many shared videos the safety check has not seen, if it is on, and what keeps it from looking."""
    own = own_check()
    if not SafetyRule.current().is_on:
        return {"is_off": True, **own}
    due = Video.objects.filter(TO_SCREEN, screening=Screened.UNSEEN)
    failed = Screening.objects.filter(video__in=due.values("pk")).exclude(problem="")
    newest = failed.order_by("-tried_at").first()
    return {
        "count": due.count(),
        "failed": failed.count(),
        "problem": newest.get_problem_display() if newest else "",
        **own,
    }


def own_check() -> dict[str, Any]:
    """Return how many shared videos the operator's own check could not look at, and why."""
    newest = OwnCheck.failing().first() if settings.SAFETY_CHECK else None
    return {"own_failed": OwnCheck.failing().count(), "own_problem": newest.why} if newest else {}


def stored() -> Stored:
    """Measure the storage used by videos, and the disk that holds them."""
    trash = Q(deleted_at__isnull=False)
    found = Video.objects.order_by().aggregate(
        videos=Count("pk"), bytes=Sum("size", default=0), in_trash=Sum("size", filter=trash, default=0)
    )
    storage, free, whole = storages["default"], None, None
    if isinstance(storage, FileSystemStorage):
        folder = next(path for path in (Path(storage.location), *Path(storage.location).parents) if path.exists())
        usage = shutil.disk_usage(folder)
        free, whole = usage.free, usage.total
    return Stored(**found, free=free, all=whole)


def bars(counts: list[tuple[Any, int]]) -> list[dict]:
    """Return the counts with bar lengths from 0 to 100, the longest being 100."""
    most = max((count for _label, count in counts), default=0) or 1
    return [{"label": label, "count": count, "length": -(-100 * count // most)} for label, count in counts]


def columns(days: list[health.Day]) -> list[dict]:
    """Return the days with the column positions of a chart `PLOT_HEIGHT` high, finished clips below failed ones."""
    most = max((day.done + day.failed for day in days), default=0) or 1
    found = []
    for number, day in enumerate(days):
        done, failed = (-(-PLOT_HEIGHT * count // most) for count in (day.done, day.failed))
        top = max(0, PLOT_HEIGHT - done - failed)
        found.append({"day": day, "x": 10 * number, "done": done, "failed": failed, "top": top})
    return found
