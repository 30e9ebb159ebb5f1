"""The report queue: each report with a playable clip and the actions available."""

from typing import TYPE_CHECKING

from django.contrib import admin
from django.db.models import Count, OuterRef, QuerySet, Subquery, Value
from django.db.models.functions import Coalesce
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from gallery.models import Report, ReportState
from gallery.moderation import decisions
from gallery.moderation.admin_parts import Choice, ForModerators, about, clip_of, history_table
from gallery.moderation.selectors import history_of_video

if TYPE_CHECKING:
    from gallery.annotated import CountedReport


class StateFilter(Choice):
    title = _("state")
    parameter_name = "state"
    default = ReportState.OPEN

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin) -> list[tuple]:
        return [*ReportState.choices, ("all", _("All"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        return queryset if self.value() == "all" else queryset.filter(state=self.value())


@admin.register(Report)
class ReportAdmin(ForModerators, admin.ModelAdmin):
    everything = "state=all"
    list_display = ["clip", "about", "complaint", "open_on_video", "created_at"]
    list_display_links = ["created_at"]
    list_filter = [StateFilter, "reason", ("created_at", admin.DateFieldListFilter)]
    list_select_related = ["video", "video__user", "reporter"]
    search_fields = ["note", "video__title", "video__prompt", "video__user__username"]
    search_help_text = _("Words from the note, the clip's title or prompt, or its owner’s username.")
    actions = decisions.actions_for(
        decisions.DISMISS,
        decisions.HIDE,
        decisions.RESTORE,
        decisions.DELETE,
        decisions.WARN,
        decisions.SUSPEND,
    )
    fields = readonly_fields = (
        *("clip", "about", "complaint", "weight", "created_at", "open_on_video", "state", "handled_by", "handled_at"),
        "history",
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        """Annotate the number of open reports on the same video."""
        same = Report.objects.filter(video=OuterRef("video"), state=ReportState.OPEN).order_by().values("video")
        count = Subquery(same.annotate(n=Count("pk")).values("n"))
        return super().get_queryset(request).annotate(open_reports=Coalesce(count, Value(0)))

    @admin.display(description=_("clip"))
    def clip(self, report: Report) -> SafeString:
        return clip_of(report.video)

    @admin.display(description=_("clip"), ordering="video__user__username")
    def about(self, report: Report) -> SafeString:
        return about(report.video)

    @admin.display(description=_("reason"), ordering="reason")
    def complaint(self, report: Report) -> SafeString:
        return render_to_string("admin/complaint.html", {"report": report})

    @admin.display(description=_("open reports on the clip"), ordering="open_reports")
    def open_on_video(self, report: "CountedReport") -> str:
        return ngettext("%d open report", "%d open reports", report.open_reports) % report.open_reports

    @admin.display(description=_("moderation history"))
    def history(self, report: Report) -> SafeString:
        return history_table(history_of_video(report.video))
