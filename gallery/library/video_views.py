"""Views of a user's own video: its page, title, settings and deletion."""

import json
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.http import content_disposition_header
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.http import SignedInRequest
from auravideo.core.http import HtmxHttpRequest
from gallery import lifecycle, stacks
from gallery.access import library_of, trash_of
from gallery.files.views import file_stem
from gallery.library import services as library
from gallery.library.forms import LibraryForm, TitleForm
from gallery.library.pages import back, own_video, tell_deleted
from gallery.library.selectors import settings_of, similar_to
from gallery.library.walk import in_list, nearest
from gallery.models import Video
from gallery.sharing.views import watch
from generation.jobs import archive


@require_safe
def video(request: HtmxHttpRequest, video_id: UUID) -> HttpResponse:
    """Show the owner's page, or the public page to everyone else."""
    found = library_of(request.user).select_related("user", "job").filter(pk=video_id).first()
    if found is None:
        return watch(request, video_id)
    if request.htmx.target == "video-title":
        return render(request, "gallery/partials/video_title.html", {"video": found, "focus": True})
    return _page(request, found)


@login_required
@require_http_methods(["GET", "POST"])
def rename(request: SignedInRequest, video_id: UUID) -> HttpResponse:
    """Edit the title in place: only the field for HTMX, the whole page otherwise."""
    found = own_video(request, video_id)
    if request.method == "GET":
        return _title(request, found, TitleForm(initial={"title": found.title}))
    form = TitleForm(request.POST)
    if not form.is_valid():
        return _title(request, found, form)
    library.rename(found, form.cleaned_data["title"])
    if request.htmx:
        return render(request, "gallery/partials/video_title.html", {"video": found, "focus": True})
    messages.success(request, _("Title saved."))
    return redirect("gallery:video", video_id)


@login_required
@require_POST
def favourite(request: SignedInRequest, video_id: UUID) -> HttpResponse:
    """Set the flag to the submitted value rather than toggling it, so that a double click is harmless."""
    found = own_video(request, video_id)
    found.favourite = request.POST.get("favourite") == "1"
    library.set_favourite(Video.objects.filter(pk=found.pk), found.favourite)
    if request.htmx:
        return render(request, "gallery/partials/favourite.html", {"video": found})
    return back(request)


@login_required
@require_POST
def delete(request: SignedInRequest, video_id: UUID) -> HttpResponse:
    """Move the video to the trash; then show the next one (`then=next`), as when walking through the library.

    A second click, before the page has changed, gets the same answer: browsers show only the last one.
    """
    found = get_object_or_404(library_of(request.user) | trash_of(request.user), pk=video_id)
    form = LibraryForm(request.GET)
    neighbour = nearest(found, form, request.user) if request.POST.get("then") == "next" else None
    count, at = lifecycle.trash(library_of(request.user).filter(pk=found.pk))
    if request.htmx:  # the card of its job offers to restore it; the page learns that through the socket
        return HttpResponse(status=204)
    tell_deleted(request, 1, at if count else found.deleted_at or at)
    return redirect(in_list("gallery:video", form, neighbour)) if neighbour else back(request)


@login_required
@require_safe
def settings_file(request: SignedInRequest, video_id: UUID) -> HttpResponse:
    """Download the settings of the video as a JSON file, to keep or to create from."""
    found = own_video(request, video_id)
    text = json.dumps(settings_of(found), ensure_ascii=False, indent=2, sort_keys=True)
    disposition = content_disposition_header(True, f"{file_stem(found)}.json")
    return HttpResponse(f"{text}\n", content_type="application/json", headers={"Content-Disposition": disposition})


def _title(request: SignedInRequest, found: Video, form: TitleForm) -> HttpResponse:
    if request.htmx:
        return render(request, "gallery/partials/video_title.html", {"video": found, "title_form": form})
    return _page(request, found, title_form=form)


def _page(request: HtmxHttpRequest, found: Video, **extra: object) -> HttpResponse:
    """Render the owner's page; opening it marks the finished job as seen."""
    if request.user.is_authenticated and found.job is not None and found.job.is_new:
        archive.mark_seen(request.user, [found.job.pk])
    context = {
        "filter": LibraryForm(request.GET).query(),
        "video": found,
        "relatives": stacks.relatives_of(found),
        "similar": similar_to(found),
        "collections": found.collections.order_by("name"),
    }
    return render(request, "gallery/video.html", context | extra)
