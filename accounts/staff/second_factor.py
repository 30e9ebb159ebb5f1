"""Who runs the site proves it with a second factor, as soon as there is somebody else's account to protect.

Asked with every request, so it also holds for sessions that are older than the rule. STAFF_SECOND_FACTOR: `auto` (once
there is a second account), `on` or `off`.
"""

from allauth.mfa.models import Authenticator
from django.conf import settings

from accounts.http import Viewer
from accounts.models import User

AUTO, ON, OFF = CHOICES = ("auto", "on", "off")
_FACTORS = (Authenticator.Type.TOTP, Authenticator.Type.WEBAUTHN)  # recovery codes stand in for one of these


def is_missing(user: Viewer) -> bool:
    """Return whether somebody has to set up a second factor before using the rights of staff."""
    return user.is_authenticated and _is_required(user) and not has_one(user)


def may(user: Viewer, permission: str) -> bool:
    """Return whether somebody has a permission of staff and may use it; for pages outside the administration."""
    return user.has_perm(permission) and not is_missing(user)


def has_one(user: Viewer) -> bool:
    return Authenticator.objects.filter(user_id=user.pk, type__in=_FACTORS).exists()


def _is_required(user: Viewer) -> bool:
    if settings.STAFF_SECOND_FACTOR != AUTO:
        return settings.STAFF_SECOND_FACTOR == ON
    return User.objects.filter(deletion_requested_at=None).exclude(pk=user.pk).exists()
