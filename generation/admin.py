import json
from collections.abc import Iterator
from typing import Any

import redis
from django.contrib import admin, messages
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path, reverse
from django.utils import formats
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST

from auravideo.core.admin_actions import ObjectActions
from generation.domain.memory_classes import GB
from generation.domain.states import Stage
from generation.domain.worker_notes import note_text
from generation.models import STAGE_LABELS, Batch, Job, Preset, RenderingPause, StageRun, Worker
from generation.presets.forms import PresetAdminForm
from generation.queue import roster, services
from generation.queue.monitoring import failing
from generation.queue.pausing import services as pausing
from generation.quotas import admin_quotas  # noqa: F401  registers the admin of quotas
from generation.requests.request import InvalidRequest

WORKER_STATES = {
    "busy": _("busy"),
    "idle": _("idle"),
    "draining": _("draining"),
    "drained": _("drained"),
}


class ReadOnly:
    """An admin without adding or editing: only generation.queue writes job states, so actions use its services."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class StageRunInline(ReadOnly, admin.TabularInline):
    """Every attempt at every stage, in order of start."""

    model = StageRun
    fields = ["run", "stage", "chunk", "status", "worker", "steps", "started_at", "took", "loaded", "what_went_wrong"]
    readonly_fields = ["steps", "loaded", "took", "what_went_wrong"]
    extra = 0
    can_delete = False

    @admin.display(description=_("steps"))
    def steps(self, run: StageRun) -> str:
        return f"{run.done} / {run.total}" if run.total else "–"

    @admin.display(description=_("of which loading"))
    def loaded(self, run: StageRun) -> str:
        return formats.number_format(run.load_seconds, 1) if run.load_seconds else "–"

    @admin.display(description=_("seconds"))
    def took(self, run: StageRun) -> str:
        return "–" if run.seconds is None else formats.number_format(run.seconds, 1)

    @admin.display(description=_("error"))
    def what_went_wrong(self, run: StageRun) -> SafeString | str:
        return _traceback(run.error, folded=True)


class ByError(admin.AllValuesFieldListFilter):
    """A filter by error ID; jobs without an error are labelled."""

    def choices(self, changelist: ChangeList) -> Iterator[Any]:
        for choice in super().choices(changelist):
            yield {**choice, "display": choice["display"] or _("none")}


@admin.register(Job)
class JobAdmin(ObjectActions, ReadOnly, admin.ModelAdmin):
    list_display = ["id", "user", "prompt", "status", "run", "created_at", "ended_at"]
    list_filter = ["status", ("error_id", ByError), "created_at"]
    search_fields = ["id", "user__username", "request__prompt"]
    list_select_related = ["user"]
    inlines = [StageRunInline]
    actions = ["cancel_jobs", "retry_jobs"]
    fieldsets = [
        (None, {"fields": ["user", "prompt", "asked_for", "batch", "row"]}),
        (_("State"), {"fields": ["status", "run", "priority", "created_at", "started_at", "ended_at"]}),
        (_("Error"), {"fields": ["error_id", "what_they_read", "where"]}),
    ]
    readonly_fields = ["prompt", "asked_for", "what_they_read", "where"]

    @admin.display(description=_("prompt"))
    def prompt(self, job: Job) -> str:
        return job.request.get("prompt", "")[:80]

    @admin.display(description=_("request"))
    def asked_for(self, job: Job) -> SafeString:
        text = json.dumps(job.stored_request, indent=2, ensure_ascii=False)
        return format_html('<pre class="traceback" tabindex="0">{}</pre>', text)

    @admin.display(description=_("what the user reads"))
    def what_they_read(self, job: Job) -> str:
        return str(job.error_text) or "–"

    @admin.display(description=_("traceback"))
    def where(self, job: Job) -> SafeString | str:
        return _traceback(job.traceback)

    @admin.action(description=_("Cancel"), permissions=["delete"])
    def cancel_jobs(self, request: HttpRequest, queryset: QuerySet[Job]) -> None:
        done = sum(services.cancel(job, costs=job.user_id == request.user.pk) for job in queryset)
        messages.info(request, ngettext("%d job was cancelled.", "%d jobs were cancelled.", done) % done)

    @admin.action(description=_("Render again"), permissions=["delete"])
    def retry_jobs(self, request: HttpRequest, queryset: QuerySet[Job]) -> None:
        done = 0
        for job in queryset:
            try:
                done += services.retry(job)
            except InvalidRequest as error:
                messages.warning(request, f"{job.user}: {error}")
        messages.info(request, ngettext("%d job was queued.", "%d jobs were queued.", done) % done)


def _traceback(text: str, *, folded: bool = False) -> SafeString | str:
    """Render a traceback; if folded, only its last line, the error message, shows until opened."""
    if not text:
        return "–"
    if not folded:
        return format_html('<pre class="traceback" tabindex="0">{}</pre>', text)
    last = text.strip().splitlines()[-1]
    whole = format_html('<pre class="traceback" tabindex="0">{}</pre>', text)
    return format_html("<details><summary>{}</summary>{}</details>", last[:120], whole)


@admin.register(Batch)
class BatchAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ["name", "user", "created_at"]
    search_fields = ["name", "user__username"]


@admin.register(Preset)
class PresetAdmin(admin.ModelAdmin):
    form = PresetAdminForm
    list_display = ["name", "user", "created_at"]
    list_filter = [("user", admin.EmptyFieldListFilter)]
    search_fields = ["name", "user__username"]
    raw_id_fields = ["user"]
    actions = ["share"]

    @admin.action(description=_("Copy the selected presets for everyone"), permissions=["add"])
    def share(self, request: HttpRequest, queryset: QuerySet[Preset]) -> None:
        taken = {name.lower() for name in Preset.objects.filter(user=None).values_list("name", flat=True)}
        for preset in queryset.exclude(user=None):
            if preset.name.lower() in taken:
                messages.warning(request, _("There is already a shared preset named %s.") % preset.name)
                continue
            taken.add(preset.name.lower())
            Preset.objects.create(user=None, name=preset.name, settings=preset.settings)
            messages.success(request, _("Everyone can now use %s.") % preset.name)


@admin.register(Worker)
class WorkerAdmin(ObjectActions, ReadOnly, admin.ModelAdmin):
    """The workers that are there. Their rows come and go with them."""

    list_display = ["name", "state", "queue_names", "device", "memory", "held", "said", "doing", "version"]
    list_display += ["heartbeat_at"]
    search_fields = ["name", "host"]
    actions = ["drain", "undrain"]
    fields = ["name", "state", "host", "pid", "queue_names", "device", "memory", "held", "said", "doing", "version"]
    fields += ["started_at", "heartbeat_at", "draining_since"]
    readonly_fields = ["state", "queue_names", "memory", "held", "said", "doing"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Worker]:
        return roster.present()

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_urls(self) -> list[URLPattern]:
        """Add the two addresses that pause and resume all rendering."""
        moves = {"pause": self.pause_rendering, "resume": self.resume_rendering}
        own = [
            path(f"{name}-rendering/", self.admin_site.admin_view(require_POST(view)), name=f"generation_worker_{name}")
            for name, view in moves.items()
        ]
        return [*own, *super().get_urls()]

    def pause_rendering(self, request: HttpRequest) -> HttpResponse:
        self._require_drain_permission(request)
        if pausing.pause():
            messages.success(request, _("Rendering is paused. Workers free their graphics cards within one step."))
        else:
            messages.info(request, _("Rendering was already paused."))
        return redirect("admin:generation_worker_changelist")

    def resume_rendering(self, request: HttpRequest) -> HttpResponse:
        self._require_drain_permission(request)
        if pausing.resume():
            messages.success(request, _("Rendering resumed. Each clip continues from the step where it stopped."))
        else:
            messages.info(request, _("Rendering was not paused."))
        return redirect("admin:generation_worker_changelist")

    def _require_drain_permission(self, request: HttpRequest) -> None:
        if not self.has_drain_permission(request):
            raise PermissionDenied

    def has_drain_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("generation.change_worker")

    def get_changelist_instance(self, request: HttpRequest) -> ChangeList:
        """Load what the workers of the page are doing, in one query for all."""
        found = super().get_changelist_instance(request)
        members = {member.worker.pk: member for member in roster.members(found.result_list)}
        for worker in found.result_list:
            worker.member = members[worker.pk]
        return found

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Show the list, whether rendering is paused, and the processes that are missing because they keep exiting."""
        try:
            found = failing.everywhere()
        except redis.RedisError:
            found = []
        context = {
            **(extra_context or {}),
            "failing": found,
            "paused_since": RenderingPause.objects.values_list("since", flat=True).first(),
            "may_pause": self.has_drain_permission(request),
        }
        return super().changelist_view(request, context)

    @admin.display(description=_("state"))
    def state(self, worker: Worker) -> str:
        return str(WORKER_STATES[_member(worker).state])

    @admin.display(description=_("queues"))
    def queue_names(self, worker: Worker) -> str:
        return ", ".join(worker.queues)

    @admin.display(description=_("free memory"))
    def memory(self, worker: Worker) -> str:
        free, total = (formats.number_format(size / GB, 1) for size in (worker.memory_free, worker.memory_total))
        return _("%(free)s of %(total)s GB") % {"free": free, "total": total}

    @admin.display(description=_("warm models"))
    def held(self, worker: Worker) -> str:
        return ", ".join(worker.warm) or "–"

    @admin.display(description=_("notes"))
    def said(self, worker: Worker) -> str:
        return "; ".join(note_text(note) for note in worker.notes or ()) or "–"

    @admin.display(description=_("doing"))
    def doing(self, worker: Worker) -> SafeString | str:
        links = [
            (reverse("admin:generation_job_change", args=[unit.job]), STAGE_LABELS[Stage(unit.stage)], unit.chunk + 1)
            for unit in _member(worker).doing
        ]
        return format_html_join(", ", '<a href="{}">{} {}</a>', links) if links else "–"

    @admin.action(description=_("Drain: finish the stage, take no more"), permissions=["drain"])
    def drain(self, request: HttpRequest, queryset: QuerySet[Worker]) -> None:
        told = roster.drain([worker.name for worker in queryset])
        messages.info(request, ngettext("%d worker is draining.", "%d workers are draining.", told) % told)

    @admin.action(description=_("Take work again"), permissions=["drain"])
    def undrain(self, request: HttpRequest, queryset: QuerySet[Worker]) -> None:
        told = roster.undrain([worker.name for worker in queryset])
        messages.info(request, ngettext("%d worker takes work again.", "%d workers take work again.", told) % told)


def _member(worker: Worker) -> roster.Member:
    return getattr(worker, "member", None) or roster.members([worker])[0]
