"""Helpers shared by the library's pages: find the user's video, redirect back, offer to undo."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.translation import ngettext

from auravideo.core.addresses.redirects import next_page
from gallery.access import library_of
from gallery.models import Video

VIDEOS_A_PAGE = 24
UNDO = "undo:"  # prefix of the extra tag on messages with an undo button; read by templates/base.html


def own_video(request: HttpRequest, video_id: UUID) -> Video:
    return get_object_or_404(library_of(request.user), pk=video_id)


def back(request: HttpRequest, otherwise: str = "gallery:library") -> HttpResponse:
    """Redirect to the form's `next` page if it is on this site, or to the library."""
    return redirect(next_page(request, otherwise))


def tell_deleted(request: HttpRequest, count: int, at: datetime) -> None:
    """Show the deletion message, with an undo button if there is time to undo."""
    if not settings.UNDO_MINUTES:
        messages.success(request, ngettext("%d clip was deleted.", "%d clips were deleted.", count) % count)
        return
    stamp = (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    text = ngettext("%d clip was moved to the trash.", "%d clips were moved to the trash.", count) % count
    messages.success(request, text, extra_tags=f"{UNDO}{stamp}")
