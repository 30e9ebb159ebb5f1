"""Pausing one's own queue, and moving clips in it. With scripts, the page merges the answers; without, it reloads."""

from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from accounts.http import SignedInRequest
from generation.jobs.activity import panel_of
from generation.jobs.fragments import job_fragment, panel_fragment
from generation.jobs.selectors import jobs_of, place_all
from generation.own_queue import services
from generation.own_queue.forms import MoveForm

MOST_SHOWN = 100  # moved clips in an answer; those behind them arrive with the next news


@login_required
@require_POST
def pause(request: SignedInRequest) -> HttpResponse:
    services.pause(request.user)
    return redirect("generation:jobs")


@login_required
@require_POST
def resume(request: SignedInRequest) -> HttpResponse:
    services.resume(request.user)
    return redirect("generation:jobs")


@login_required
@require_POST
def move(request: SignedInRequest, job_id: UUID) -> HttpResponse:
    """Move a waiting clip among the user's own; one that has started meanwhile stays, with a message."""
    job = get_object_or_404(jobs_of(request.user), pk=job_id)
    form = MoveForm(request.POST)
    if not form.is_valid():
        return HttpResponse(status=400)
    moved = services.move(job, form.cleaned_data["to"], form.cleaned_data["other"])
    notes = [] if moved is not None else [_("This clip is no longer waiting, so it was not moved.")]
    if not request.htmx:
        for text in notes:
            messages.info(request, text)
        return redirect("generation:jobs")
    shown = place_all(jobs_of(request.user).filter(pk__in=[job_id, *(moved or ())][:MOST_SHOWN]))
    articles = (job_fragment(found, request, notes if found.pk == job_id else ()) for found in shown)
    return HttpResponse("".join(articles) + panel_fragment(panel_of(request.user)))
