"""Before irreversible acts in the administration, staff confirm that it is they, unless they have just done so.

A page that deletes, or that asks for somebody's password, is shown only after that, so nothing typed is lost. Changes
of rights and final actions are confirmed when they are sent; allauth keeps the form meanwhile and goes on with it.
"""

import time
from collections.abc import Callable
from typing import Any, cast

from allauth.account import app_settings
from allauth.account.adapter import get_adapter
from allauth.account.authentication import get_authentication_records
from allauth.core.exceptions import ReauthenticationRequired
from django.contrib.admin import ModelAdmin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from auravideo.core.admin_actions import chosen

# Whoever has the address of an account can have its password reset.
_ADDRESSES = ("account_emailaddress_add", "account_emailaddress_change")
_RIGHTS = ("accounts_user_change", "auth_group_add", "auth_group_change", *_ADDRESSES)
_PASSWORDS = ("accounts_user_add", "auth_user_password_change")
TYPING_SECONDS = 3600  # how long a form with a password may take: it must not be kept in the session


def ask_if_needed(request: HttpRequest, view: Callable) -> HttpResponse | None:
    """Raise ReauthenticationRequired, for allauth's middleware, if this request needs it; None if it may go on.

    `view`: the view of the administration that is to answer.
    """
    name = request.resolver_match.url_name or "" if request.resolver_match else ""
    if name in _PASSWORDS and request.method == "POST":
        return None if _is_recent(request, TYPING_SECONDS) else redirect(request.get_full_path())
    is_sent = request.method == "POST" and (name in _RIGHTS or _is_final(request, view))
    if (is_sent or name in _PASSWORDS or name.endswith("_delete")) and not _is_recent(request):
        if request.method == "POST":  # allauth goes on with a form if its address equals the path; it keeps the query
            cast(Any, request).get_full_path = lambda: request.path
        raise ReauthenticationRequired
    return None


def _is_final(request: HttpRequest, view: Callable) -> bool:
    """Return whether a list's action is irreversible (auravideo.core.admin_actions)."""
    name, owner = chosen(request), getattr(view, "__self__", None)
    if name == "delete_selected":
        return True
    found = owner.get_actions(request).get(name) if name and isinstance(owner, ModelAdmin) else None
    return bool(found and getattr(found[0], "is_final", False))


def _is_recent(request: HttpRequest, seconds: float | None = None) -> bool:
    """Return whether somebody signed in or confirmed it lately; also if they have nothing to confirm it with."""
    if not get_adapter().get_reauthentication_methods(request.user):
        return True
    since = time.time() - (app_settings.REAUTHENTICATION_TIMEOUT if seconds is None else seconds)
    return any(record["at"] > since for record in get_authentication_records(request, request.user))
