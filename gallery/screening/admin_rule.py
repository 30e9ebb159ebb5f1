"""The rule of the safety check, set by administrators. A change is applied to the scores that are known."""

from typing import Any

from django.contrib import admin, messages
from django.http import HttpRequest
from django.utils.translation import gettext as _

from gallery.models import SafetyRule
from gallery.screening import services


@admin.register(SafetyRule)
class SafetyRuleAdmin(admin.ModelAdmin):
    list_display = ["__str__", "is_on", "strictness"]
    fields = ["is_on", "strictness", "own_threshold"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return super().has_add_permission(request) and not SafetyRule.objects.exists()

    def has_delete_permission(self, request: HttpRequest, obj: SafetyRule | None = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: SafetyRule, form: Any, change: bool) -> None:
        was_off = change and not form.initial.get("is_on", True)
        super().save_model(request, obj, form, change)
        if was_off and obj.is_on:
            services.switch_on()
        services.begin_applying()
        messages.info(request, _("The rule is applied to earlier clips in the background."))
