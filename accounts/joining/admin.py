"""Who may join, and invitations, in the admin."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import DateTimeField, QuerySet
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from accounts.joining import invitations
from accounts.joining.models import Invitation, JoiningRules
from auravideo.core.addresses import links
from auravideo.core.admin_actions import ObjectActions


@admin.register(JoiningRules)
class JoiningRulesAdmin(admin.ModelAdmin):
    """One row, which need not be stored yet: the list leads straight to its form."""

    fields = ["policy", "now", "daily_cap", "most_waiting"]
    readonly_fields = ["now"]

    @admin.display(description=_("in force"))
    def now(self, rules: JoiningRules) -> str:
        return str(rules.effective.label)

    def changelist_view(self, request: HttpRequest, extra_context: dict | None = None) -> HttpResponse:
        if not self.has_view_or_change_permission(request):
            return super().changelist_view(request, extra_context)
        return redirect("admin:accounts_joiningrules_change", JoiningRules.ONLY)

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> JoiningRules:
        return JoiningRules.current()

    def save_model(self, request: HttpRequest, obj: JoiningRules, form: ModelForm, change: bool) -> None:
        obj.is_inherited = False  # from now on, somebody has decided
        super().save_model(request, obj, form, change)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: JoiningRules | None = None) -> bool:
        return False


class StateFilter(admin.SimpleListFilter):
    title, parameter_name = _("usable"), "usable"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin) -> list[tuple]:
        return [("yes", _("Yes")), ("no", _("No"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Invitation]) -> QuerySet[Invitation]:
        usable = Invitation.objects.usable().values("pk")
        if self.value() == "yes":
            return queryset.filter(pk__in=usable)
        return queryset.exclude(pk__in=usable) if self.value() == "no" else queryset


@admin.action(description=_("Withdraw"), permissions=["change"])
def revoke(_admin: admin.ModelAdmin, request: HttpRequest, queryset: QuerySet[Invitation]) -> None:
    done = sum(invitations.revoke(invitation) for invitation in queryset)
    messages.success(request, ngettext("%d invitation was withdrawn.", "%d invitations were withdrawn.", done) % done)


_action: Any = revoke  # carries extra attributes, see auravideo/core/admin_actions.py
_action.is_final = True
_action.changes = lambda _request, invitation: invitation.state == Invitation.State.USABLE


@admin.register(Invitation)
class InvitationAdmin(ObjectActions):
    """Links to hand out. Only staff who may make invitations see the links of others."""

    actions = [revoke]
    fields = ["link", "max_uses", "expires_at", "note", "state", "uses", "accounts", "created_by", "created_at"]
    readonly_fields = ["link", "state", "uses", "accounts", "created_by", "created_at"]
    list_display = ["__str__", "state", "used", "expires_at", "created_by"]
    list_filter = [StateFilter, "created_by"]
    list_select_related = ["created_by"]
    search_fields = ["note", "accounts__username"]
    search_help_text = _("The note, or the username of somebody who joined by it.")
    # One field, since Django's two have no labels of their own.
    formfield_overrides = {
        DateTimeField: {
            "form_class": forms.DateTimeField,
            "widget": forms.DateTimeInput({"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
        }
    }

    class Media:
        js = ["js/sharing.js"]

    def get_fields(self, request: HttpRequest, obj: Invitation | None = None) -> list | tuple:
        if obj is None:
            return ["max_uses", "expires_at", "note"]
        return [name for name in self.fields if name != "link" or self.has_add_permission(request)]

    @admin.display(description=_("link"))
    def link(self, invitation: Invitation) -> SafeString | str:
        if invitation.state != Invitation.State.USABLE:
            return "–"
        address = invitations.link(invitation, invitation.site)
        field = format_html('<input id="invitation-link" class="vURLField" type="url" value="{}" readonly', address)
        field = format_html('{} aria-label="{}">', field, _("link"))
        copy = '{} <button class="button" type="button" data-copy="invitation-link" data-copied="{}">{}</button>'
        return format_html(copy, field, _("Copied"), _("Copy link"))

    @admin.display(description=_("state"))
    def state(self, invitation: Invitation) -> str:
        return str(invitation.state.label)

    @admin.display(description=_("used"))
    def used(self, invitation: Invitation) -> str:
        return f"{invitation.uses} / {invitation.max_uses}"

    @admin.display(description=_("accounts"))
    def accounts(self, invitation: Invitation) -> str:
        return ", ".join(invitation.accounts.order_by("pk").values_list("username", flat=True)[:100]) or "–"

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Invitation | None:
        invitation = super().get_object(request, object_id, from_field)
        if invitation is not None:
            invitation.site = links.origin(request)
        return invitation

    def save_model(self, request: HttpRequest, obj: Invitation, form: ModelForm, change: bool) -> None:
        if not change:
            obj.created_by_id = request.user.pk
        super().save_model(request, obj, form, change)

    def response_add(self, request: HttpRequest, obj: Invitation, post_url_continue: str | None = None) -> HttpResponse:
        """Go on to the invitation's own page, where its link is."""
        messages.success(request, _("The invitation is ready: send its link to the people that you invite."))
        return redirect(reverse("admin:accounts_invitation_change", args=[obj.pk]))
