"""The letters that tell a person what moderation did: in their language, and never in the way of what was done."""

import logging
from datetime import datetime
from smtplib import SMTPException

from allauth.account.adapter import get_adapter
from allauth.core import context
from django.conf import settings
from django.contrib.sites.requests import RequestSite
from django.urls import reverse
from django.utils import translation

from gallery.models import ModerationAction

log = logging.getLogger(__name__)


def send(action: ModerationAction, until: datetime | None = None) -> None:
    """Write to the person whom `action` concerns; `until` is the end of a suspension.

    A mail server that does not answer is logged: the notice on the site says the same.
    """
    person = action.person
    if not person.email:
        return
    try:
        with translation.override(person.language or settings.LANGUAGE_CODE):
            values = {"action": action, "person": person, "until": until, **_places()}
            get_adapter().render_mail(f"gallery/email/{action.act}", person.email, values).send()
    except (SMTPException, OSError) as error:
        log.warning("The letter about %s to account %s could not be sent: %s", action.act, person.pk, error)


def _places() -> dict:
    """The site as the request reached it, which is that of whoever acted; commands have none."""
    request = context.request
    if request is None:
        return {"current_site": {"domain": settings.ALLOWED_HOSTS[0]}, "notices_url": ""}
    address = request.build_absolute_uri(reverse("gallery:notices"))
    return {"current_site": RequestSite(request), "notices_url": address}
