"""Invitations: their links, which browser came by which, and how often each was used.

A link names the invitation and proves by a signature that the site made it. So a copy of the database opens nothing,
and the admin can show a link again at any time.
"""

from urllib.parse import urljoin

from django.core import signing
from django.db.models import F
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone

from accounts.joining.models import Invitation

SESSION_KEY = "invitation"
MAX_LENGTH = 100


def token_of(invitation: Invitation) -> str:
    return _signer().sign(invitation.key)


def link(invitation: Invitation, site: str) -> str:
    """Return the whole link; `site` is the site's address."""
    return urljoin(site, reverse("accounts:join", args=[token_of(invitation)]))


def find(token: str) -> Invitation | None:
    """Return the invitation of a link, whatever its state; None if the site never made such a link."""
    try:
        key = _signer().unsign(token[:MAX_LENGTH])
    except signing.BadSignature:
        return None
    return Invitation.objects.filter(key=key).first()


def remember(request: HttpRequest, invitation: Invitation) -> None:
    """Keep the invitation until its holder has signed up, however often the form comes back."""
    request.session[SESSION_KEY] = invitation.pk


def of(request: HttpRequest) -> Invitation | None:
    """Return the usable invitation that a visitor came by."""
    number = request.session.get(SESSION_KEY)
    return None if number is None else Invitation.objects.usable().filter(pk=number).first()


def use(invitation: Invitation) -> bool:
    """Count one use. Return False if it was used up, withdrawn or expired in the meantime."""
    return Invitation.objects.usable().filter(pk=invitation.pk).update(uses=F("uses") + 1) == 1


def revoke(invitation: Invitation) -> bool:
    """Let nobody else in by this link. Return whether this call did."""
    return Invitation.objects.filter(pk=invitation.pk, revoked_at=None).update(revoked_at=timezone.now()) == 1


def _signer() -> signing.Signer:
    return signing.Signer(sep="~", salt="accounts.joining.invitations")
