"""The admin of quotas: of everybody, of groups, of users; and who is near one."""

from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.models import Group
from django.db.models import QuerySet
from django.forms import Media
from django.http import HttpRequest, HttpResponse
from django.template.defaultfilters import filesizeformat
from django.utils.translation import gettext_lazy as _

from generation.models import Quota
from generation.quotas.selectors import Near, near

admin.site.unregister(Group)

LABELS = {"waiting": _("waiting clips"), "seconds_a_day": _("seconds of video a day"), "storage": _("storage")}


class QuotaInline(admin.StackedInline):
    """The quota of a user or a group, on their page. There is one form, so it needs no scripts to add another."""

    model = Quota
    fields = ("is_unlimited", *Quota.LIMITS)
    extra = max_num = 1

    @property
    def media(self) -> Media:
        return Media()


@admin.register(Group)
class GroupAdmin(DjangoGroupAdmin):
    inlines = (QuotaInline,)


@admin.register(Quota)
class QuotaAdmin(admin.ModelAdmin):
    list_display = ("holder", "is_unlimited", *Quota.LIMITS)
    list_select_related = ("user", "group")
    search_fields = ("user__username", "user__email", "group__name")
    raw_id_fields = ("user",)
    fields = ("user", "group", "is_unlimited", *Quota.LIMITS)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Quota]:
        return super().get_queryset(request).select_related("user", "group")

    @admin.display(description=_("whose"), ordering="user__username")
    def holder(self, quota: Quota) -> str:
        return str(quota)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Show who is near a quota above the list."""
        return super().changelist_view(request, {**(extra_context or {}), "near": [_row(one) for one in near()]})


def _row(found: Near) -> dict[str, Any]:
    used, most = found.used, found.most
    if found.quota == "storage":
        return {"near": found, "label": LABELS["storage"], "used": filesizeformat(used), "most": filesizeformat(most)}
    return {"near": found, "label": LABELS[found.quota], "used": used, "most": most}
