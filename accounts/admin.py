from functools import partial
from http import HTTPStatus
from typing import Any, ClassVar

from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.admin.utils import unquote
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.db import transaction
from django.db.models import QuerySet
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext_lazy as _

from accounts import services, signals
from accounts.joining import admin as _joining  # noqa: F401  registers its pages
from accounts.models import SecurityEvent, User
from accounts.security import events
from accounts.security.events import Kind
from accounts.staff import admin as audit  # noqa: F401  registers its pages

# allauth's own admin shows the secrets and makes them editable.
admin.site.unregister(Authenticator)
admin.site.unregister(UserSession)  # users see their own; what operators need is among the security events


@admin.register(Authenticator)
class AuthenticatorAdmin(admin.ModelAdmin):
    """Second factors, which an operator can remove for users who have lost theirs."""

    fields = readonly_fields = ("user", "type", "created_at", "last_used_at")
    list_display = ("user", "type", "created_at", "last_used_at")
    list_filter = ("type",)
    list_select_related = ("user",)
    search_fields = ("user__username", "user__email")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Authenticator | None = None) -> bool:
        return False

    def delete_model(self, request: HttpRequest, obj: Authenticator) -> None:
        super().delete_model(request, obj)
        events.record(Kind.FACTORS_RESET, obj.user, None)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Authenticator]) -> None:
        users = {factor.user for factor in queryset.select_related("user")}
        super().delete_queryset(request, queryset)
        for user in users:
            events.record(Kind.FACTORS_RESET, user, None)


@admin.register(User)
class UserAdmin(DjangoUserAdmin):
    list_display = ("username", "email", "full_name", "is_active", "is_staff", "date_joined")
    list_filter = (
        *DjangoUserAdmin.list_filter,
        ("approval_awaited_since", admin.EmptyFieldListFilter),
        ("suspended_at", admin.EmptyFieldListFilter),
        "deactivated_at",
        "deletion_requested_at",
    )
    search_fields = ("username", "email", "full_name")
    ordering = ("-date_joined",)
    readonly_fields: ClassVar[tuple[str, ...]] = (
        *("last_login", "date_joined", "deactivated_at", "deletion_requested_at"),
        *("approval_awaited_since", "invitation", "suspended_at", "suspended_until", "suspension_reason"),
    )
    fieldsets = (
        (None, {"fields": ("username", "password")}),
        (_("User"), {"fields": ("full_name", "email", "language", "theme")}),
        (_("Permissions"), {"fields": ("is_active", "is_staff", "is_superuser", "groups", "user_permissions")}),
        (
            _("Dates"),
            {"fields": ("last_login", "date_joined", "invitation", "deactivated_at", "deletion_requested_at")},
        ),
    )
    add_fieldsets = (
        (None, {"classes": ("wide",), "fields": ("username", "email", "usable_password", "password1", "password2")}),
    )

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> tuple:
        """Lock `is_active` during a suspension and before approval, which end by the actions that announce it."""
        is_locked = obj is not None and (obj.is_suspended or obj.is_awaiting_approval)
        return (*super().get_readonly_fields(request, obj), *(["is_active"] if is_locked else []))

    def save_model(self, request: HttpRequest, obj: User, form: ModelForm, change: bool) -> None:
        """Clear the user's own deactivation when activating an account; end sessions and jobs when disabling one."""
        if obj.is_active:
            obj.deactivated_at = None
        super().save_model(request, obj, form, change)
        if change and "is_active" in form.changed_data and not obj.is_active:
            transaction.on_commit(partial(services.switch_off, obj))

    def user_change_password(self, request: HttpRequest, id: str, form_url: str = "") -> HttpResponse:
        """End the user's open connections, too, when an operator sets a new password."""
        answer = super().user_change_password(request, id, form_url)
        if request.method == "POST" and answer.status_code == HTTPStatus.FOUND:
            user = self.get_object(request, unquote(id))
            signals.sessions_ended.send(sender=User, user=user, but=request.session.session_key)
            events.record(Kind.PASSWORD, user, request if user == request.user else None)
        return answer

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """Keep accounts that are being deleted closed."""
        return not (obj is not None and obj.is_being_deleted) and super().has_change_permission(request, obj)

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> tuple:
        """Leave out what nobody may delete by itself, but what goes with its user."""
        found, counts, forbidden, protected = super().get_deleted_objects(objs, request)
        logs = {str(model._meta.verbose_name) for model in (LogEntry, SecurityEvent)}
        return found, counts, {name for name in forbidden if str(name) not in logs}, protected

    def delete_model(self, request: HttpRequest, obj: User) -> None:
        """Delete in the background, files included; a plain delete would leave the files behind."""
        services.request_deletion(obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        for user in queryset:
            services.request_deletion(user)
