"""Which videos a person may see."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.db.models import QuerySet

from gallery.models import Video


def visible_videos(user) -> QuerySet[Video]:
    """The videos that a person may watch, and so may create from. Sharing adds other people's here."""
    return Video.objects.filter(user=user)


def request_of(user, video_id: UUID) -> Mapping[str, Any] | None:
    """The request that made a video, with its seed; None where this person may not see it."""
    return visible_videos(user).filter(pk=video_id).values_list("request", flat=True).first()
