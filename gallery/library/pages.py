"""What several pages of the library do alike: find the person's own video, lead back, tell what can be undone."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.translation import ngettext

from auravideo.core.redirects import next_page
from gallery.access import library_of
from gallery.models import Video

VIDEOS_A_PAGE = 24
UNDO = "undo:"  # begins the extra tag of a message that can be undone; templates/base.html reads it


def own_video(request: HttpRequest, video_id: UUID) -> Video:
    return get_object_or_404(library_of(request.user), pk=video_id)


def back(request: HttpRequest, otherwise: str = "gallery:library") -> HttpResponse:
    """To the page of this site that the form names as `next`, or to the library."""
    return redirect(next_page(request, otherwise))


def tell_deleted(request: HttpRequest, count: int, at: datetime) -> None:
    """The message after a deletion; with the button that takes it back, where there is time to."""
    if not settings.UNDO_MINUTES:
        messages.success(request, ngettext("%d video was deleted.", "%d videos were deleted.", count) % count)
        return
    stamp = (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    text = ngettext("%d video was moved to the trash.", "%d videos were moved to the trash.", count) % count
    messages.success(request, text, extra_tags=f"{UNDO}{stamp}")
