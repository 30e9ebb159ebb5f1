"""The user admin, extended by moderation.

Moderators without rights on accounts see only what moderation needs: no email address, no permissions, nothing to edit.
"""

from django.contrib import admin
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from accounts.admin import UserAdmin
from accounts.models import User
from auravideo.core.admin_actions import ObjectActions
from gallery.access import MODERATE
from gallery.models import ReportState
from gallery.moderation import decisions, newcomers, selectors
from gallery.moderation.admin_parts import history_table
from generation.quotas.admin_quotas import QuotaInline

SEEN_BY_MODERATORS = ("id", "is_active", "approval_awaited_since", "suspended_at")
SUSPENSION = ("suspended_at", "suspended_until", "suspension_reason")
REPORTS = ("reports_about_person", "reports_by_person")

admin.site.unregister(User)


@admin.register(User)
class ModeratedUserAdmin(ObjectActions, UserAdmin):
    actions = decisions.actions_for(
        *(decisions.ADMIT, decisions.DECLINE, decisions.WARN, decisions.SUSPEND, decisions.UNSUSPEND)
    )
    readonly_fields = (*UserAdmin.readonly_fields, "ends", "videos_of_person", *REPORTS, "moderation")
    moderation_fieldset = (
        _("Moderation"),
        {"fields": ("approval_awaited_since", "ends", *SUSPENSION, "videos_of_person", *REPORTS, "moderation")},
    )

    def get_inlines(self, request: HttpRequest, obj: User | None) -> list | tuple:
        """Offer a quota for accounts that are there, to those who may edit accounts."""
        inlines = super().get_inlines(request, obj)
        return (*inlines, QuotaInline) if obj is not None and self._sees_accounts(request) else inlines

    def has_moderate_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(MODERATE)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return super().has_module_permission(request) or self.has_moderate_permission(request)

    def has_view_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        return super().has_view_permission(request, obj) or self.has_moderate_permission(request)

    def get_fieldsets(self, request: HttpRequest, obj: User | None = None) -> list | tuple:
        if obj is None:
            return super().get_fieldsets(request, obj)
        own = super().get_fieldsets(request, obj) if self._sees_accounts(request) else self._few()
        return (*own, self.moderation_fieldset) if self.has_moderate_permission(request) else own

    def get_list_display(self, request: HttpRequest) -> list | tuple:
        sees_accounts = self._sees_accounts(request)
        if newcomers.ONLY.items() <= request.GET.dict().items():  # what else there is, is the same for all of them
            return ("username", "email" if sees_accounts else "full_name", "approval_awaited_since", "ends")
        few = ("username", "full_name", "is_active", "approval_awaited_since", "suspended_until", "date_joined")
        return super().get_list_display(request) if sees_accounts else few

    def get_list_filter(self, request: HttpRequest) -> list | tuple:
        few = (
            "is_active",
            *((name, admin.EmptyFieldListFilter) for name in ("approval_awaited_since", "suspended_at")),
        )
        return super().get_list_filter(request) if self._sees_accounts(request) else few

    def get_search_fields(self, request: HttpRequest) -> list | tuple:
        return super().get_search_fields(request) if self._sees_accounts(request) else ("username", "full_name")

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """Refuse lookups that would reveal hidden fields through the list's filters."""
        if not self._sees_accounts(request) and lookup.split("__")[0] not in SEEN_BY_MODERATORS:
            return False
        return super().lookup_allowed(lookup, value, request)

    def _sees_accounts(self, request: HttpRequest) -> bool:
        return super().has_view_permission(request)

    @staticmethod
    def _few() -> tuple:
        return ((None, {"fields": ("username", "full_name", "is_active", "date_joined")}),)

    @admin.display(description=_("deleted if undecided"), ordering="newcomer_until")
    def ends(self, user: User) -> str:
        """Return when a newcomer is deleted whom nobody approves, or who does not confirm the address."""
        is_new = user.is_awaiting_approval or (user.is_active and user.last_login is None)
        if not is_new or user.newcomer_until is None:
            return "–"
        return date_format(timezone.localtime(user.newcomer_until), "DATETIME_FORMAT")

    @admin.display(description=_("clips"))
    def videos_of_person(self, user: User) -> SafeString:
        """Return the number of videos and of open reports on them, linked to the list."""
        reports = user.videos.filter(reports__state=ReportState.OPEN).values("reports").count()
        address = f"{reverse('admin:gallery_video_changelist')}?user__id__exact={user.pk}"
        text = _("%(videos)s, with open reports: %(reports)s") % {"videos": user.videos.count(), "reports": reports}
        return format_html('<a href="{}">{}</a>', address, text)

    @admin.display(description=_("reports on the clips"))
    def reports_about_person(self, user: User) -> SafeString:
        return render_to_string("admin/reports_about_person.html", {"tallies": selectors.reports_about(user)})

    @admin.display(description=_("reports by the user"))
    def reports_by_person(self, user: User) -> str:
        """Return how they fared, in which a person's standing as a reporter lies."""
        own = selectors.reports_by(user)
        values = {"all": own.all, "upheld": own.upheld, "dismissed": own.dismissed}
        return _("%(all)d in all; upheld: %(upheld)d, dismissed: %(dismissed)d") % values if own.all else "–"

    @admin.display(description=_("moderation history"))
    def moderation(self, user: User) -> SafeString:
        return history_table(selectors.history_of_person(user), names_video=True)
