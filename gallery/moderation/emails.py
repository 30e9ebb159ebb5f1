"""Emails that tell users about moderation actions, in their language, without ever blocking the action.

They are sent by the `cpu` queue, so that no request waits for the mail server, and are retried if it is down.
"""

import logging
from collections.abc import Mapping
from datetime import datetime
from functools import partial
from smtplib import SMTPException
from typing import Any

from allauth.account.adapter import get_adapter
from django.conf import settings
from django.urls import reverse
from django.utils import translation

from auravideo.core import publish
from auravideo.core.addresses import links
from gallery.models import ModerationAction

logger = logging.getLogger(__name__)

LETTER_TASK = "gallery.tasks.write_letter"
MAIL_ERRORS = (SMTPException, OSError)
# Of the tasks that send emails, which are tried again after 1, 2, 4, 8 and 10 minutes.
AS_TASK: Mapping[str, Any] = {
    "ignore_result": True,
    "autoretry_for": MAIL_ERRORS,
    "retry_backoff": 60,
    "retry_jitter": False,
    "max_retries": 5,
}


def send(action: ModerationAction, until: datetime | None, site: str) -> None:
    """Queue the email about `action` to the user concerned; `until` is the end of a suspension.

    `site` is the base URL the moderator used, for the link in the email; '' for no link.

    If the broker is down, the email is sent right here. A failure is only logged, since the notice on the site says the
    same.
    """
    args = (str(action.pk), until.isoformat() if until else "", site)
    if publish.attempt(partial(publish.send_task, LETTER_TASK, *args), f"the email about {action.act}"):
        return
    try:
        write(*args)
    except MAIL_ERRORS as error:
        logger.warning("The email about %s to account %s could not be sent: %s", action.act, action.person_id, error)


def write(action_id: str, until: str, site: str) -> None:
    """Send one email, unless the account no longer exists. Raises one of MAIL_ERRORS if the mail server fails."""
    action = ModerationAction.objects.select_related("person").filter(pk=action_id).first()
    person = action.person if action else None
    if action is None or person is None or not person.email:
        return
    with translation.override(person.language or settings.LANGUAGE_CODE):
        values = {"action": action, "person": person, "until": datetime.fromisoformat(until) if until else None}
        values |= places(site)
        get_adapter().render_mail(f"gallery/email/{action.act}", person.email, values).send()


def places(site: str) -> dict:
    """Return the template values for links to the site; without `site`, to its own address, or its name alone."""
    return {
        "current_site": {"domain": links.name_in_email(site)},
        "notices_url": links.in_email(site, reverse("gallery:notices")),
    }
