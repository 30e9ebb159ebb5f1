"""Where a user is signed in: allauth's UserSession, one row for each session of the database.

allauth's own middleware would write a row with every request, so ours replaces it. A session that was ended is deleted,
and a request that still runs in it cannot bring it back: Django stores a session only where its row is.
"""

import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from allauth.account.adapter import get_adapter
from allauth.usersessions.adapter import get_adapter as get_session_adapter
from allauth.usersessions.models import UserSession
from django.contrib.auth import HASH_SESSION_KEY
from django.contrib.sessions.models import Session
from django.db import DatabaseError
from django.db.models import Exists, OuterRef
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils import timezone
from django.utils.crypto import constant_time_compare
from django.utils.decorators import sync_only_middleware

from accounts import signals
from accounts.models import User
from accounts.security.browsers import Browser, browser_of, user_agent_of

MOST = 50  # sessions of a user; those that were not used for the longest time give way
NOTE_SECONDS = 300  # how often a session's last use is written
_REMEMBERED = 20_000  # sessions, per process
_noted: dict[str, float] = {}  # when this process last wrote a session's use


@dataclass(frozen=True)
class SignedIn:
    """One browser in which a user is signed in."""

    pk: int
    browser: Browser
    ip: str
    began: datetime
    last_seen: datetime
    is_current: bool


def begin(request: HttpRequest) -> None:
    """Note the session of somebody who has just signed in."""
    _note(request)
    surplus = UserSession.objects.filter(user_id=request.user.pk).order_by("-last_seen_at", "-pk")[MOST:]
    _end(list(surplus))


def of(user: User, current: str | None) -> list[SignedIn]:
    """Return where a user is signed in, the present session first, then the one that was used last."""
    rows = UserSession.objects.filter(user_id=user.pk)
    kept = _data(row.session_key for row in rows)
    found = [_described(row, current) for row in rows if _is_valid(user, kept.get(row.session_key))]
    return sorted(found, key=lambda one: (one.is_current, one.last_seen), reverse=True)


def end_one(user: User, pk: int) -> bool:
    """Sign a user out of one browser. Return whether this call did."""
    rows = list(UserSession.objects.filter(user_id=user.pk, pk=pk))
    _end(rows)
    return bool(rows)


def end_all(user: User, *, but: str | None = None) -> None:
    """Delete the sessions of a user, which have become invalid, `but` for one, by its key."""
    _end(list(UserSession.objects.filter(user_id=user.pk).exclude(session_key=but or "")))


def forget(request: HttpRequest) -> None:
    """Forget the session of somebody who signs out."""
    UserSession.objects.filter(session_key=request.session.session_key or "").delete()


def prune() -> int:
    """Delete what is known of sessions that are gone. Return how many."""
    living = Session.objects.filter(session_key=OuterRef("session_key"))
    return UserSession.objects.filter(~Exists(living)).delete()[0]


@sync_only_middleware
def note_use(get_response: Callable[[HttpRequest], HttpResponseBase]) -> Callable[[HttpRequest], HttpResponseBase]:
    """Note when, where and in which browser a session is used: at most every NOTE_SECONDS, with a page.

    Has to stand after AuthenticationMiddleware. No request reads the database only for this.
    """

    def handle(request: HttpRequest) -> HttpResponseBase:
        response = get_response(request)
        key = request.session.session_key
        if key and _is_due(key) and isinstance(getattr(request, "_cached_user", None), User) and _is_page(response):
            with suppress(DatabaseError):
                _note(request)
        return response

    return handle


def _is_page(response: HttpResponseBase) -> bool:
    return response.get("Content-Type", "").startswith("text/html")


def _is_due(key: str) -> bool:
    return _noted.get(key, float("-inf")) < time.monotonic() - NOTE_SECONDS


def _note(request: HttpRequest) -> None:
    """Write the session's row. One from before this version, or under a new key, has none yet."""
    if not request.user.is_authenticated:
        return
    key = request.session.session_key
    client = {"ip": get_adapter().get_client_ip(request), "user_agent": user_agent_of(request)}
    now = timezone.now()
    rows = UserSession.objects.filter(session_key=key, user_id=request.user.pk)
    if not rows.update(last_seen_at=now, **client):
        if not key or not request.session.exists(key):
            return
        UserSession.objects.update_or_create(session_key=key, defaults={"user": request.user, **client})
    if len(_noted) >= _REMEMBERED:
        _noted.clear()
    _noted[key or ""] = time.monotonic()


def _described(row: UserSession, current: str | None) -> SignedIn:
    browser = browser_of(row.user_agent)
    return SignedIn(row.pk, browser, row.ip, row.created_at, row.last_seen_at, row.session_key == current)


def _data(keys: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Return what the sessions that have not expired contain."""
    found = Session.objects.filter(session_key__in=list(keys), expire_date__gt=timezone.now())
    return {session.session_key: session.get_decoded() for session in found}


def _is_valid(user: User, data: dict[str, Any] | None) -> bool:
    """Return whether a session is still the user's: not from before a new password or the end of all sessions."""
    known = (user.get_session_auth_hash(), *user.get_session_auth_fallback_hash())
    mine = (data or {}).get(HASH_SESSION_KEY, "")
    return any(constant_time_compare(mine, one) for one in known)


def _end(rows: list[UserSession]) -> None:
    """End sessions with what is open in them: WebSockets, notifications."""
    if not rows:
        return
    kept = _data(row.session_key for row in rows)
    get_session_adapter().end_sessions(rows)
    for row in rows:
        signals.session_ended.send(sender=User, user=row.user, data=kept.get(row.session_key, {}))
