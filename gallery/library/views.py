"""The pages of what came out."""

from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from gallery import services
from gallery.models import Video
from gallery.search import find
from gallery.selectors import library_of
from gallery.sharing.views import watch
from generation import listing

VIDEOS_A_PAGE = 24


@login_required
@require_safe
def library(request: HttpRequest) -> HttpResponse:
    """A person's videos, newest first."""
    page = find(library_of(request.user), request.GET.get("q", ""), request.GET, VIDEOS_A_PAGE, owner=request.user)
    return render(request, "gallery/library.html", {"page": page, "videos": page.rows})


@require_safe
def video(request: HttpRequest, video_id: UUID) -> HttpResponse:
    """One video, with everything that made it. Whoever opens it has seen that it is finished.

    Who is not its owner sees what everybody sees of it.
    """
    found = library_of(request.user).filter(pk=video_id).first()
    if found is None:
        return watch(request, video_id)
    if found.job_id:
        listing.mark_seen(request.user, [found.job_id])
    return render(request, "gallery/video.html", {"video": found})


@login_required
@require_POST
def delete(request: HttpRequest, video_id: UUID) -> HttpResponse:
    services.delete(_mine(request, video_id))
    messages.success(request, _("The video was deleted."))
    return redirect("gallery:library")


def _mine(request: HttpRequest, video_id: UUID) -> Video:
    return get_object_or_404(library_of(request.user), pk=video_id)
