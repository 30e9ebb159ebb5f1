"""The retention rules, set by administrators."""

from django.contrib import admin
from django.utils.translation import gettext_lazy as _

from gallery.models import RetentionRule


@admin.register(RetentionRule)
class RetentionRuleAdmin(admin.ModelAdmin):
    list_display = ["kind", "days", "is_active", "applies"]
    fields = ["kind", "days", "is_active", "applies"]
    readonly_fields = ["applies"]

    @admin.display(description=_("applies from"))
    def applies(self, rule: RetentionRule) -> object:
        return rule.applies_from if rule.pk and rule.is_active else None
