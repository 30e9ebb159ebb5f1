"""Tells moderators at once: by email where mail is configured, and by push to the browsers that asked for it.

A clip that reports have hidden is always news. Of reports that only wait in the queue, one an hour is, so that nobody
can flood the moderators.
"""

import logging
from functools import partial
from urllib.parse import urljoin
from uuid import UUID

from allauth.account.adapter import get_adapter
from django.conf import settings
from django.core.cache import cache
from django.db import transaction
from django.templatetags.static import static
from django.urls import reverse
from django.utils import translation
from django.utils.translation import gettext as _

from accounts.models import User
from accounts.push import sending
from accounts.push.services import of
from auravideo.core import publish
from gallery.access import MODERATE
from gallery.models import Video
from gallery.moderation.emails import places

logger = logging.getLogger(__name__)

ALERT_TASK = "gallery.tasks.alert_moderator"
QUIET_SECONDS = 3600
_BACKEND = "django.contrib.auth.backends.ModelBackend"
_ICON = "images/icons/192.png"


def tell_moderators(video: Video, site: str, *, is_hidden: bool) -> None:
    """Queue a message to every moderator, once the report is saved. `site` is the base URL for the link, or ""."""
    transaction.on_commit(partial(_queue, video.pk, site, is_hidden), robust=True)


def _queue(video_id: UUID, site: str, is_hidden: bool) -> None:
    if not is_hidden and not cache.add("moderators-told-of-reports", 1, QUIET_SECONDS):
        return
    for moderator_id in moderators():
        send = partial(publish.send_task, ALERT_TASK, moderator_id, str(video_id), site, is_hidden)
        publish.attempt(send, f"the message to moderator {moderator_id}")


def moderators() -> list[int]:
    """Return the IDs of the people who can answer reports."""
    found = User.objects.with_perm(MODERATE, backend=_BACKEND).filter(is_staff=True)
    return list(found.order_by("pk").values_list("pk", flat=True))


def write(moderator_id: int, video_id: str, site: str, is_hidden: bool) -> None:
    """Tell one moderator, if they still are one. Raises one of emails.MAIL_ERRORS if the mail server fails."""
    moderator = User.objects.filter(pk=moderator_id, is_active=True, is_staff=True).first()
    video = Video.objects.filter(pk=video_id, deleted_at=None).first()
    if moderator is None or video is None or not moderator.has_perm(MODERATE):
        return
    queue = reverse("admin:gallery_report_changelist")
    with translation.override(moderator.language or settings.LANGUAGE_CODE):
        _push(moderator, video, queue, is_hidden)
        if moderator.email:
            values = {"person": moderator, "video": video, "is_hidden": is_hidden, **places(site)}
            values["queue_url"] = urljoin(site, queue) if site else ""
            get_adapter().render_mail("gallery/email/reported", moderator.email, values).send()


def _push(moderator: User, video: Video, queue: str, is_hidden: bool) -> None:
    title = _("Reports have hidden a clip") if is_hidden else _("A clip was reported")
    message = sending.Message(
        title=title,
        body=video.title[:120],
        url=queue,
        tag=f"report{video.pk.hex}"[:32],
        icon=static(_ICON),
        lang=translation.get_language() or "en",
    )
    for subscription in of(moderator.pk).select_related("user"):
        try:
            sending.send(subscription, message)
        except sending.Unreachable as error:
            logger.warning("Moderator %s could not be told by push: %s", moderator.pk, error)
