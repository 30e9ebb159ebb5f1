"""The letters that tell a person what moderation did: in their language, and never in the way of what was done.

The `cpu` queue writes them, so that nobody waits for a mail server, and tries again where that one does not answer.
"""

import logging
from datetime import datetime
from functools import partial
from smtplib import SMTPException
from urllib.parse import urljoin, urlsplit

from allauth.account.adapter import get_adapter
from django.conf import settings
from django.urls import reverse
from django.utils import translation

from auravideo.core import publish
from gallery.models import ModerationAction

log = logging.getLogger(__name__)

LETTER_TASK = "gallery.tasks.write_letter"
MAIL_ERRORS = (SMTPException, OSError)


def send(action: ModerationAction, until: datetime | None, site: str) -> None:
    """Have a letter about `action` written to the person whom it concerns; `until` is the end of a suspension.

    `site` is the address that whoever acted reached the site at, for the link within the letter; '' without one.

    Where the broker does not answer it is written here and now. A letter that cannot be sent is logged: the notice on
    the site says the same.
    """
    args = (str(action.pk), until.isoformat() if until else "", site)
    if publish.attempt(partial(publish.send_task, LETTER_TASK, *args), f"the email about {action.act}"):
        return
    try:
        write(*args)
    except MAIL_ERRORS as error:
        log.warning("The letter about %s to account %s could not be sent: %s", action.act, action.person_id, error)


def write(action_id: str, until: str, site: str) -> None:
    """Write one letter; not to an account that is gone meanwhile. Raises MAIL_ERRORS where the mail server does."""
    action = ModerationAction.objects.select_related("person").filter(pk=action_id).first()
    person = action.person if action else None
    if action is None or person is None or not person.email:
        return
    with translation.override(person.language or settings.LANGUAGE_CODE):
        values = {"action": action, "person": person, "until": datetime.fromisoformat(until) if until else None}
        values |= _places(site)
        get_adapter().render_mail(f"gallery/email/{action.act}", person.email, values).send()


def _places(site: str) -> dict:
    if not site:
        names = [name for name in settings.ALLOWED_HOSTS if name[0] not in "*."]
        return {"current_site": {"domain": names[0] if names else "localhost"}, "notices_url": ""}
    return {
        "current_site": {"domain": urlsplit(site).netloc},
        "notices_url": urljoin(site, reverse("gallery:notices")),
    }
