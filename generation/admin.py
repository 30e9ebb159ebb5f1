from django.contrib import admin, messages
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from generation import services
from generation.models import Batch, Job, Preset, StageRun
from generation.preset_forms import PresetAdminForm


class ReadOnly:
    """The state of a job is written by services.py alone, so the admin shows it and acts through them."""

    def has_add_permission(self, request, obj=None) -> bool:
        return False

    def has_change_permission(self, request, obj=None) -> bool:
        return False


class StageRunInline(ReadOnly, admin.TabularInline):
    model = StageRun
    fields = ["run", "stage", "chunk", "status", "worker", "done", "total", "started_at", "ended_at", "error"]
    extra = 0
    can_delete = False


@admin.register(Job)
class JobAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ["id", "user", "prompt", "status", "run", "created_at", "ended_at"]
    list_filter = ["status", "created_at"]
    search_fields = ["id", "user__username", "request__prompt"]
    list_select_related = ["user"]
    inlines = [StageRunInline]
    actions = ["cancel_jobs", "retry_jobs"]

    @admin.display(description=_("prompt"))
    def prompt(self, job: Job) -> str:
        return job.request.get("prompt", "")[:80]

    @admin.action(description=_("Cancel the chosen jobs"), permissions=["delete"])
    def cancel_jobs(self, request, queryset) -> None:
        done = sum(services.cancel(job) for job in queryset)
        messages.info(request, ngettext("%d job was cancelled.", "%d jobs were cancelled.", done) % done)

    @admin.action(description=_("Render the chosen jobs again"), permissions=["delete"])
    def retry_jobs(self, request, queryset) -> None:
        done = 0
        for job in queryset:
            try:
                done += services.retry(job)
            except services.TooManyJobs as error:
                messages.warning(request, f"{job.user}: {error}")
        messages.info(request, ngettext("%d job was queued.", "%d jobs were queued.", done) % done)


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

    @admin.action(description=_("Give everybody a copy of the chosen presets"), permissions=["add"])
    def share(self, request, queryset) -> None:
        taken = {name.lower() for name in Preset.objects.filter(user=None).values_list("name", flat=True)}
        for preset in queryset.exclude(user=None):
            if preset.name.lower() in taken:
                messages.warning(request, _("Everybody has a preset named %s already.") % preset.name)
                continue
            taken.add(preset.name.lower())
            Preset.objects.create(user=None, name=preset.name, settings=preset.settings)
            messages.success(request, _("Everybody can use %s now.") % preset.name)
