"""What happened to the security of an account: kept for a while, shown to its owner, and told by email."""

from datetime import timedelta
from functools import partial

from allauth.account.adapter import get_adapter
from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from accounts.models import SecurityEvent, User
from accounts.security.browsers import user_agent_of
from accounts.sign_in import mails

Kind = SecurityEvent.Kind

# Whose owner reads of it in an email, unless the site sends none: what an intruder would have to do.
TOLD = frozenset(
    (
        *(Kind.NEW_DEVICE, Kind.PASSWORD, Kind.RESET, Kind.EMAIL, Kind.EMAIL_REMOVED, Kind.CODES, Kind.FACTORS_RESET),
        *(Kind.APP_ADDED, Kind.APP_REMOVED, Kind.PASSKEY_ADDED, Kind.PASSKEY_REMOVED),
    )
)


def record(kind: SecurityEvent.Kind, user: User | None, request: HttpRequest | None, detail: str = "") -> SecurityEvent:
    """Store what a request did, and tell the user if it is one of TOLD. `detail` depends on the kind.

    Without a request, it was an operator, whose address is nobody's business.
    """
    event = SecurityEvent.objects.create(
        user=user,
        kind=kind,
        ip=get_adapter().get_client_ip(request) if request else None,
        user_agent=user_agent_of(request) if request else "",
        detail=detail[:254],
    )
    if user is not None and kind in TOLD and mails.are_sent():
        transaction.on_commit(partial(mails.ask_for, mails.SECURITY, event.pk, request))
    return event


def of(user: User) -> QuerySet[SecurityEvent]:
    """Return what happened to an account, latest first."""
    return SecurityEvent.objects.filter(user=user)


def prune() -> int:
    """Delete what is older than SECURITY_LOG_DAYS. Return how many."""
    limit = timezone.now() - timedelta(days=settings.SECURITY_LOG_DAYS)
    return SecurityEvent.objects.filter(at__lt=limit).delete()[0]
