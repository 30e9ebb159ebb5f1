"""The letters that tell a person what moderation did: in their language, and never in the way of what was done.

The `cpu` queue writes them, so that nobody waits for a mail server, and tries again where that one does not answer.
"""

import logging
from datetime import datetime
from smtplib import SMTPException
from urllib.parse import urljoin, urlsplit

from allauth.account.adapter import get_adapter
from allauth.core import context
from django.conf import settings
from django.urls import reverse
from django.utils import translation
from kombu.exceptions import OperationalError
from redis import RedisError

from auravideo.celery import app
from gallery.models import ModerationAction

log = logging.getLogger(__name__)

LETTER_TASK = "gallery.tasks.write_letter"
MAIL_ERRORS = (SMTPException, OSError)


def send(action: ModerationAction, until: datetime | None, site: str) -> None:
    """Have a letter about `action` written to the person whom it concerns; `until` is the end of a suspension.

    `site` is what `this_site` said while the action was done, for the link within the letter.

    Where the broker does not answer it is written here and now. A letter that cannot be sent is logged: the notice on
    the site says the same.
    """
    args = (str(action.pk), until.isoformat() if until else "", site)
    try:
        app.send_task(LETTER_TASK, args=args, queue="cpu", ignore_result=True)
        return
    except (OperationalError, RedisError, OSError) as error:
        log.warning("The broker did not take the letter about %s, which is sent without it: %s", action.act, error)
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


def this_site() -> str:
    """The site as the request reached it, which is that of whoever acted; commands and the scheduler have none."""
    return context.request.build_absolute_uri("/") if context.request else ""


def _places(site: str) -> dict:
    if not site:
        names = [name for name in settings.ALLOWED_HOSTS if name[0] not in "*."]
        return {"current_site": {"domain": names[0] if names else "localhost"}, "notices_url": ""}
    return {
        "current_site": {"domain": urlsplit(site).netloc},
        "notices_url": urljoin(site, reverse("gallery:notices")),
    }
