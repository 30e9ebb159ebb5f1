"""The links to the next and the previous video of the library, as it is filtered and sorted."""

from collections.abc import Callable
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import redirect
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_safe

from accounts.http import SignedInRequest
from accounts.models import User
from gallery.library import walk
from gallery.library.forms import LibraryForm
from gallery.library.pages import own_video
from gallery.models import Video

Step = Callable[[Video, LibraryForm, User], UUID | None]


@login_required
@require_safe
def following(request: SignedInRequest, video_id: UUID) -> HttpResponse:
    return _go(request, video_id, walk.after, _("This is the last clip of the list."))


@login_required
@require_safe
def preceding(request: SignedInRequest, video_id: UUID) -> HttpResponse:
    return _go(request, video_id, walk.before, _("This is the first clip of the list."))


def _go(request: SignedInRequest, video_id: UUID, step: Step, at_the_end: Promise) -> HttpResponse:
    """Redirect to the neighbour. Looked up when it is asked for, so that a video's page costs nothing more."""
    found, form = own_video(request, video_id), LibraryForm(request.GET)
    neighbour = step(found, form, request.user)
    if neighbour is None:
        messages.info(request, str(at_the_end))
    return redirect(walk.in_list("gallery:video", form, neighbour or found.pk))
