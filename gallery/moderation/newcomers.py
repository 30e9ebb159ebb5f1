"""Tells moderators that newcomers wait for approval."""

from functools import partial
from urllib.parse import urlencode

from allauth.account.adapter import get_adapter
from django.conf import settings
from django.core.cache import cache
from django.urls import reverse
from django.utils import translation

from accounts.models import User
from auravideo.core import publish
from auravideo.core.addresses import links
from gallery.access import MODERATE
from gallery.moderation.alerts import moderators
from gallery.moderation.emails import places

TELL_TASK = "gallery.tasks.tell_of_newcomers"
QUIET_SECONDS = 3600  # nobody can flood the moderators
ONLY = {"approval_awaited_since__isempty": "0"}  # the query of the admin's list of users for those who wait


def tell_moderators(site: str) -> None:
    """Queue an email to every moderator, one an hour at most."""
    if not cache.add("moderators-told-of-newcomers", 1, QUIET_SECONDS):
        return
    for moderator_id in moderators():
        send = partial(publish.send_task, TELL_TASK, moderator_id, site)
        publish.attempt(send, f"the message to moderator {moderator_id}")


def write(moderator_id: int, site: str) -> None:
    """Tell one moderator, if there still are newcomers. Raises one of emails.MAIL_ERRORS if the mail server fails."""
    moderator = User.objects.filter(pk=moderator_id, is_active=True, is_staff=True).exclude(email="").first()
    count = User.objects.awaiting_approval().count()
    if moderator is None or not moderator.has_perm(MODERATE) or not count:
        return
    with translation.override(moderator.language or settings.LANGUAGE_CODE):
        values = {"count": count, **places(site), "queue_url": links.in_email(site, list_url())}
        get_adapter().render_mail("gallery/email/newcomers", moderator.email, values).send()


def list_url() -> str:
    """Return the address of the admin's list of newcomers who wait."""
    return f"{reverse('admin:accounts_user_changelist')}?{urlencode(ONLY)}"
