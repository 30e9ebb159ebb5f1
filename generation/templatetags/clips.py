"""What a job's card offers to do with the clip that came out of it."""

from datetime import timedelta
from typing import Any

from django import template
from django.conf import settings
from django.utils import timezone

from generation.endings.messages import tag_of
from generation.jobs.selectors import video_of
from generation.models import Job

register = template.Library()


@register.filter
def deletable(job: Job) -> Any | None:
    """Return a job's video if deleting it can be undone; elsewhere it takes a question, which a card does not ask."""
    return video_of(job) if settings.UNDO_MINUTES else None


@register.filter
def restorable(job: Job) -> Any | None:
    """Return a job's video if it is in the trash and can still be restored."""
    video = getattr(job, "video", None)
    if video is None or video.deleted_at is None:
        return None
    return video if video.deleted_at > timezone.now() - timedelta(minutes=settings.UNDO_MINUTES) else None


@register.filter
def notification_tag(job: Job) -> str:
    """Return the tag of a job's notifications, which the page shows, and the site sends, under the same one."""
    return tag_of(job)
