"""The audit log as pages of the administration. Nobody adds, changes or deletes entries there."""

from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.db.models import Model
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from accounts.models import SecurityEvent
from accounts.security.browsers import browser_of


class ReadOnly(admin.ModelAdmin):
    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


@admin.register(LogEntry)
class LogEntryAdmin(ReadOnly):
    """What staff changed."""

    list_display = ("action_time", "user", "content_type", "object_repr", "action_flag", "message")
    list_filter = ("action_flag", ("content_type", admin.RelatedOnlyFieldListFilter))
    list_select_related = ("user", "content_type")
    search_fields = ("user__username", "object_repr", "change_message")
    fields = ("action_time", "user", "content_type", "object_id", "object_repr", "action_flag", "message")

    @admin.display(description=_("details"))
    def message(self, entry: LogEntry) -> str:
        return entry.get_change_message()


@admin.register(SecurityEvent)
class SecurityEventAdmin(ReadOnly):
    """Who signed in, or failed to, and whose password or second factor changed."""

    list_display = ("at", "user", "kind", "detail", "ip", "browser")
    list_filter = ("kind", ("user__is_staff", admin.BooleanFieldListFilter))
    list_select_related = ("user",)
    search_fields = ("user__username", "ip")
    fields = ("at", "user", "kind", "detail", "ip", "user_agent")
    show_full_result_count = False

    @admin.display(description=_("browser"))
    def browser(self, event: SecurityEvent) -> str:
        return str(browser_of(event.user_agent)) if event.user_agent else "–"
