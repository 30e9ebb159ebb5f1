"""The compare page, and what is done there: keep some clips and trash the rest, or make more like one."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST, require_safe

from accounts import limits
from accounts.http import SignedInRequest
from gallery import lifecycle
from gallery.access import library_of
from gallery.compare import selectors
from gallery.compare.forms import KeepForm, ids_in
from gallery.compare.selectors import Comparison
from gallery.library.pages import back, own_video, tell_deleted
from gallery.models import Video
from generation.batches import variations
from generation.jobs import archive
from generation.models import Batch
from generation.requests import available
from generation.requests.request import InvalidRequest, parse

MORE = 4  # clips that "more like this" makes


@login_required
@require_safe
def compare(request: SignedInRequest) -> HttpResponse:
    """Show the clips of ?batch=, those stacked with ?stack=, or each ?video=, and mark their finished jobs as seen."""
    if refused := limits.beyond(request, "compare"):
        return refused
    found = _asked(request)
    if found.news:
        archive.mark_seen(request.user, found.news)
    context = {"compared": found, "more": MORE, "most": variations.MAX_COMPARED}
    return render(request, "gallery/compare.html", context)


@login_required
@require_POST
def keep(request: SignedInRequest) -> HttpResponse:
    """Move the clips that the page showed to the trash, except those to keep.

    Clips that still render go on, and the page says so: nobody has seen them yet, so they may be the better ones.
    """
    form = KeepForm(request.POST)
    if not form.is_valid():
        for texts in form.errors.values():
            messages.error(request, str(texts[0]))
        return back(request)
    shown = library_of(request.user).filter(pk__in=form.cleaned_data["video"])
    if not shown.filter(pk__in=form.kept).exists():  # it was deleted elsewhere: don't delete all the others, too
        messages.error(request, _("The clip you want to keep is no longer in your library, so nothing was deleted."))
        return back(request)
    going_on = selectors.still_rendering(shown)
    count, moment = lifecycle.trash(shown.exclude(pk__in=form.kept))
    if count:
        tell_deleted(request, count, moment)
    if going_on:
        text = ngettext(
            "%d clip beside these still renders and goes on.",
            "%d clips beside these still render and go on.",
            going_on,
        )
        messages.info(request, text % going_on)
    return back(request)


@login_required
@require_POST
def more_like_this(request: SignedInRequest, video_id: UUID) -> HttpResponse:
    """Queue a few more of a video's request, each with a new seed, and compare them."""
    found = own_video(request, video_id)
    if not limits.may_submit(request):
        return _refused(request, limits.too_fast())
    try:
        wanted = parse(_without_seed(found.request), available.catalogue(), available.limits())
        jobs = variations.submit(request.user, [wanted] * MORE)
    except InvalidRequest as error:
        return _refused(request, *(str(text) for texts in error.errors.values() for text in texts))
    return redirect(f"{reverse('gallery:compare')}?batch={jobs[0].batch_id}")


def _asked(request: SignedInRequest) -> Comparison:
    if ids := ids_in(request.GET, "batch"):
        return selectors.of_batch(request.user, get_object_or_404(Batch, pk=ids[0], user=request.user))
    if ids := ids_in(request.GET, "stack"):  # also of a clip that was not kept: the rest of its stack was
        return selectors.of_stack(get_object_or_404(Video, pk=ids[0], user=request.user))
    return selectors.of_videos(request.user, ids_in(request.GET, "video"))


def _without_seed(stored: dict[str, Any]) -> dict[str, Any]:
    return {**stored, "seed": None}


def _refused(request: SignedInRequest, *texts: str) -> HttpResponse:
    for text in texts:
        messages.error(request, text)
    return back(request)
