"""The trash: recently deleted videos, until they are purged."""

from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST, require_safe

from accounts.http import SignedInRequest
from auravideo.core.file_serving import serve
from auravideo.core.keyset import page_of
from gallery import lifecycle
from gallery.access import trash_of
from gallery.library.forms import UndoForm
from gallery.library.pages import VIDEOS_A_PAGE, back
from gallery.library.selectors import for_cards
from gallery.models import Video


@login_required
@require_safe
def trash(request: SignedInRequest) -> HttpResponse:
    """List the trash, last deleted first."""
    page = page_of(for_cards(trash_of(request.user)), request.GET, VIDEOS_A_PAGE, "-deleted_at")
    context = {"page": page, "videos": page.rows, "seconds": 60 * settings.UNDO_MINUTES}
    return render(request, "gallery/trash.html", context)


@login_required
@require_safe
def picture(request: SignedInRequest, video_id: UUID) -> HttpResponseBase:
    """Serve a deleted video's still picture to its owner, to choose by; its other files are not served."""
    found = _deleted(request, video_id)
    return serve(request, (found.thumbnail_file or found.poster_file).name)


@login_required
@require_POST
def undo(request: SignedInRequest) -> HttpResponse:
    """Undo one deletion, whether of one video or of many."""
    form = UndoForm(request.POST)
    count = (
        lifecycle.restore(trash_of(request.user).filter(deleted_at=form.cleaned_data["at"])) if form.is_valid() else 0
    )
    _tell_restored(request, count)
    return back(request)


@login_required
@require_POST
def restore(request: SignedInRequest, video_id: UUID) -> HttpResponse:
    found = _deleted(request, video_id)
    count = lifecycle.restore(trash_of(request.user).filter(pk=found.pk))
    if request.htmx:  # from the card of its job, see `video_views.delete`
        return HttpResponse(status=204)
    _tell_restored(request, count)
    return redirect("gallery:trash")


@login_required
@require_POST
def purge(request: SignedInRequest, video_id: UUID) -> HttpResponse:
    """Delete one video forever, before its time in the trash is up."""
    lifecycle.delete(_deleted(request, video_id))
    messages.success(request, _("The clip was deleted forever."))
    return redirect("gallery:trash")


@login_required
@require_POST
def empty(request: SignedInRequest) -> HttpResponse:
    """Delete everything in the trash forever."""
    count = lifecycle.give_up(trash_of(request.user))
    text = ngettext("%d clip was deleted forever.", "%d clips were deleted forever.", count) % count
    messages.success(request, text if count else _("The trash was already empty."))
    return redirect("gallery:trash")


def _tell_restored(request: HttpRequest, count: int) -> None:
    if count:
        text = (
            ngettext("%d clip was restored to your library.", "%d clips were restored to your library.", count) % count
        )
        messages.success(request, text)
    else:
        messages.error(request, _("Too late: it is no longer in the trash."))


def _deleted(request: HttpRequest, video_id: UUID) -> Video:
    return get_object_or_404(trash_of(request.user), pk=video_id)
