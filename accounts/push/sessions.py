"""Which subscription belongs to a session, so that it ends with it."""

from typing import Any

from django.contrib.auth.signals import user_logged_out
from django.dispatch import receiver
from django.http import HttpRequest

from accounts.http import SignedInRequest
from accounts.models import PushSubscription
from accounts.push import services
from accounts.signals import session_ended

_KEY = "push"


def remember(request: SignedInRequest, subscription: PushSubscription) -> None:
    """Note the session's subscription."""
    request.session[_KEY] = [subscription.pk, subscription.session]


def forget(request: SignedInRequest) -> None:
    request.session.pop(_KEY, None)


def is_subscribed(request: SignedInRequest) -> bool:
    """Return whether the browser has told its subscription since its user signed in, or changed the password."""
    noted = request.session.get(_KEY)
    return noted is not None and noted[1] == services.session_digest(request.user)


@receiver(user_logged_out)
def end(request: HttpRequest | None, **_kwargs: object) -> None:
    """Send nothing more to a browser whose user has signed out there."""
    if request is not None and (noted := request.session.get(_KEY)):
        services.forget(noted[0])


@receiver(session_ended)
def end_elsewhere(data: dict[str, Any], **_kwargs: object) -> None:
    """Send nothing more to a browser that its user has signed out from another one."""
    if noted := data.get(_KEY):
        services.forget(noted[0])
