"""Tells moderators at once: by email where mail is configured, and by push to the browsers that asked for it.

A clip that reports have hidden is always news. Of reports that only wait in the queue, one an hour is, and one of clips
that the safety check holds back, so that nobody can flood the moderators.
"""

import logging
from collections.abc import Callable
from functools import partial
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
from auravideo.core.addresses import links
from gallery.access import MODERATE
from gallery.models import Screened, Video
from gallery.moderation.emails import places

logger = logging.getLogger(__name__)

ALERT_TASK = "gallery.tasks.alert_moderator"
WAITING_TASK = "gallery.tasks.alert_moderator_of_waiting"
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


def tell_of_waiting(video: Video) -> None:
    """Queue a message to every moderator that a clip waits for a decision, once it is saved."""
    transaction.on_commit(partial(_queue_waiting, video.pk), robust=True)


def _queue_waiting(video_id: UUID) -> None:
    if not cache.add("moderators-told-of-waiting", 1, QUIET_SECONDS):
        return
    for moderator_id in moderators():
        send = partial(publish.send_task, WAITING_TASK, moderator_id, str(video_id))
        publish.attempt(send, f"the message to moderator {moderator_id}")


def moderators() -> list[int]:
    """Return the IDs of the people who can answer reports."""
    found = User.objects.with_perm(MODERATE, backend=_BACKEND).filter(is_staff=True)
    return list(found.order_by("pk").values_list("pk", flat=True))


def write(moderator_id: int, video_id: str, site: str, is_hidden: bool) -> None:
    """Tell one moderator of a report, if they still are one. Raises one of emails.MAIL_ERRORS if the mail fails."""
    title = _hidden_title if is_hidden else _reported_title
    queue = reverse("admin:gallery_report_changelist")
    _tell(moderator_id, video_id, queue, title, "gallery/email/reported", site, is_hidden=is_hidden)


def write_of_waiting(moderator_id: int, video_id: str) -> None:
    """Tell one moderator of a clip that waits for them, like `write`. The link is to the site's own address."""
    _tell(moderator_id, video_id, waiting_list(), _waiting_title, "gallery/email/waiting", "")


def waiting_list() -> str:
    """Return the address of the clips that wait for a moderator."""
    return reverse("admin:gallery_video_changelist") + f"?screening__exact={Screened.FLAGGED}"


def _hidden_title() -> str:
    return _("Reports have hidden a clip")


def _reported_title() -> str:
    return _("A clip was reported")


def _waiting_title() -> str:
    return _("A clip waits for a moderator")


def _tell(
    moderator_id: int, video_id: str, queue: str, title: Callable[[], str], mail: str, site: str, **more: object
) -> None:
    moderator = User.objects.filter(pk=moderator_id, is_active=True, is_staff=True).first()
    video = Video.objects.filter(pk=video_id, deleted_at=None).first()
    if moderator is None or video is None or not moderator.has_perm(MODERATE):
        return
    with translation.override(moderator.language or settings.LANGUAGE_CODE):
        _push(moderator, video, queue, title())
        if moderator.email:
            values = {"person": moderator, "video": video, **more, **places(site)}
            values["queue_url"] = links.in_email(site, queue)
            get_adapter().render_mail(mail, moderator.email, values).send()


def _push(moderator: User, video: Video, queue: str, title: str) -> None:
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
