"""The administration, behind the site's own sign-in."""

from collections.abc import Callable
from functools import wraps
from typing import TypeVar, cast

from allauth.account.decorators import secure_admin_login
from django.contrib import admin
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.urls import resolve
from django.utils.decorators import method_decorator
from django.utils.translation import gettext_lazy

from accounts.http import SignedInRequest
from accounts.staff import audit, confirmation, second_factor

View = TypeVar("View", bound=Callable[..., HttpResponseBase])


@method_decorator(secure_admin_login, name="login")  # Django's own asks for a password only, and has no rate limit
class AdminSite(admin.AdminSite):
    site_header = site_title = gettext_lazy("AuraVideo administration")
    index_title = gettext_lazy("What is on this site")

    def admin_view(self, view: View, cacheable: bool = False) -> View:
        return super().admin_view(cast(View, _guarded(view)), cacheable)


def _guarded(view: Callable) -> Callable:
    """Let staff through to a view who have a second factor, if they need one, and confirm what cannot be undone."""

    @wraps(view)
    def answer(request: SignedInRequest, *args: object, **kwargs: object) -> HttpResponseBase:
        # allauth posts a confirmed form again under the match of its own page.
        request.resolver_match = resolve(request.path_info)
        name = request.resolver_match.url_name
        if name != "logout" and second_factor.is_missing(request.user):
            return redirect("mfa_index")  # which says why
        if name == "password_change":  # that of the settings counts guesses, and tells the user
            return redirect("account_change_password")
        if refused := confirmation.ask_if_needed(request, view):
            return refused
        response = view(request, *args, **kwargs)
        audit.note(request, view, response)
        return response

    return answer
