"""What a message about a job that has ended says. One about a batch is for all of its clips."""

from typing import Any

from django.conf import settings
from django.db.models import Count, Q
from django.templatetags.static import static
from django.urls import reverse
from django.utils import translation
from django.utils.text import Truncator
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from accounts.push.sending import Message
from generation.domain.states import ACTIVE, Status
from generation.models import Batch, Job

_CHARACTERS = 120  # of the prompt, as in the panel
_ICON = "images/icons/192.png"


def tag_of(job: Job) -> str:
    """Return what a job's notifications have in common, so that a newer one replaces an older one."""
    return (job.batch_id or job.pk).hex


def message_about(job: Job, language: str) -> Message | None:
    """Return what to tell about a job that has ended; None if others of its batch have not."""
    language = language if language in dict(settings.LANGUAGES) else settings.LANGUAGE_CODE
    with translation.override(language):
        said = _about_clip(job) if job.batch is None else _about_batch(job, job.batch)
        return Message(**said, tag=tag_of(job), icon=static(_ICON), lang=language) if said else None


def _about_clip(job: Job) -> dict[str, Any]:
    title = _("Your clip is ready") if job.status == Status.DONE else _("Your clip failed")
    video: Any = getattr(job, "video", None)
    name = video.title if video and video.title else job.request.get("prompt", "")
    return {"title": title, "body": _short(name), "url": reverse("generation:job", args=[job.pk])}


def _about_batch(job: Job, batch: Batch) -> dict[str, Any] | None:
    counts = batch.jobs.aggregate(
        active=Count("pk", filter=Q(status__in=ACTIVE)),
        done=Count("pk", filter=Q(status=Status.DONE)),
        failed=Count("pk", filter=Q(status=Status.FAILED)),
    )
    done, failed = counts["done"], counts["failed"]
    if counts["active"] or not done + failed:
        return None
    if done + failed == 1:
        return _about_clip(job)
    parts = []
    if done:
        parts.append(ngettext("%d clip is ready", "%d clips are ready", done) % done)
    if failed:
        parts.append(ngettext("%d clip failed", "%d clips failed", failed) % failed)
    return {"title": ", ".join(parts), "body": _short(batch.name), "url": reverse("generation:batch", args=[batch.pk])}


def _short(text: str) -> str:
    return Truncator(" ".join(text.split())).chars(_CHARACTERS)
