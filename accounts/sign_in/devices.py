"""Browsers that have signed in to an account before: strangers cannot lock these out by guessing its password.

A signed cookie names the accounts, each with a number of its own under which the failed sign-ins of this browser are
counted (after OWASP's "slow down online guessing attacks with device cookies"). It proves nothing else: it signs nobody
in. A new password, or signing out everywhere, revokes the cookies of all browsers but the one at hand.
"""

from collections.abc import Callable
from datetime import timedelta
from functools import lru_cache
from typing import Any
from uuid import uuid4

from django.conf import settings
from django.core import signing
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.crypto import constant_time_compare, salted_hmac
from django.utils.decorators import sync_only_middleware

from accounts.models import User
from auravideo.core.http import cookie_in

COOKIE = "device"
KEPT = timedelta(days=400)  # the longest that browsers keep a cookie
MAX_ACCOUNTS = 5  # of one browser; the latest ones
_SALT = "accounts.sign_in.devices"


def number_of(request: HttpRequest, user: User) -> str | None:
    """Return the number of this browser if it has signed in to the account since the password was changed."""
    known = _read(request).get(str(user.pk))
    if not known or not constant_time_compare(known[1], _proof(user, known[0])):
        return None
    return known[0]


def accounts_in(cookies: bytes) -> tuple[int, ...]:
    """Return the accounts to which the browser with this `Cookie` header has signed in, the latest one last.

    Asks no database. They may have signed out since, or have a new password.
    """
    return _accounts(cookie_in(cookies, COOKIE))


@lru_cache(maxsize=1000)
def _accounts(cookie: str) -> tuple[int, ...]:
    return tuple(map(int, _loaded(cookie)))


@sync_only_middleware
def remember_device(
    get_response: Callable[[HttpRequest], HttpResponseBase],
) -> Callable[[HttpRequest], HttpResponseBase]:
    """Give browsers that are signed in the cookie, with the next page; the account at hand is the last one in it.

    Has to stand after AuthenticationMiddleware.
    """

    def handle(request: HttpRequest) -> HttpResponseBase:
        response = get_response(request)
        user = getattr(request, "_cached_user", None)  # set if the request asked who it is: no query for others
        if isinstance(user, User) and _is_page(response) and not _is_latest(request, user):
            _write(request, response, user)
        return response

    return handle


def _is_latest(request: HttpRequest, user: User) -> bool:
    return next(reversed(_read(request)), None) == str(user.pk) and number_of(request, user) is not None


def _is_page(response: HttpResponseBase) -> bool:
    """Return whether a response may carry the cookie: not what a proxy could give to others."""
    is_shared = "public" in response.get("Cache-Control", "")
    return response.get("Content-Type", "").startswith("text/html") and not is_shared


def _write(request: HttpRequest, response: HttpResponseBase, user: User) -> None:
    known = _read(request)
    number = number_of(request, user) or uuid4().hex
    known.pop(str(user.pk), None)
    known[str(user.pk)] = [number, _proof(user, number)]
    value = signing.dumps(dict(list(known.items())[-MAX_ACCOUNTS:]), salt=_SALT, compress=True)
    options: dict[str, Any] = {"httponly": True, "samesite": "Lax", "secure": settings.SESSION_COOKIE_SECURE}
    response.set_cookie(COOKIE, value, max_age=KEPT, **options)


def _read(request: HttpRequest) -> dict[str, list[str]]:
    """Return the numbers and proofs of a browser, by account."""
    return _loaded(request.COOKIES.get(COOKIE, ""))


def _loaded(cookie: str) -> dict[str, list[str]]:
    try:
        return signing.loads(cookie, salt=_SALT, max_age=KEPT)
    except signing.BadSignature:
        return {}


def _proof(user: User, number: str) -> str:
    """Return what changes with the password and with the end of all sessions."""
    return salted_hmac(_SALT, f"{number}:{user.get_session_auth_hash()}").hexdigest()[:32]
