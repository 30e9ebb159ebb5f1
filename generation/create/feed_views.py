"""Responses that add cards to the feed below the create form."""

from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST
from django_htmx.http import HttpResponseClientRedirect, reswap, retarget, trigger_client_event

from accounts import limits
from accounts.http import SignedInRequest
from generation.create import feed
from generation.jobs.selectors import jobs_of
from generation.models import Job
from generation.queue import services
from generation.requests import available
from generation.requests.drawing import as_written
from generation.requests.request import InvalidRequest, RenderRequest, parse

QUEUED = "queued"  # event in the browser, and prefix of the tag of messages that leave when these clips have ended


def queued(request: SignedInRequest, jobs: Sequence[Job]) -> HttpResponse:
    """Return the cards of the jobs just queued for the page's feed; without htmx, go to the job or the queue."""
    job_ids = [job.pk for job in jobs]
    if request.htmx:
        context = {
            "cards": feed.of_jobs(request.user, job_ids),
            "until": _named(job_ids),
            "recent_prompts": feed.recent_prompts(request.user),
        }
        response = render(request, "generation/partials/queued.html", context)
        return trigger_client_event(response, QUEUED)
    if len(jobs) == 1:
        text = _("Your clip is queued. You can close this page; rendering continues.")
    else:
        several = ngettext(
            "%s clip is queued.", "%s clips are queued. You can close this page; rendering continues.", len(jobs)
        )
        text = several % len(jobs)
    messages.success(request, text, extra_tags=f"{QUEUED}:{_named(job_ids)}")
    return redirect("generation:job", job_ids[0]) if len(jobs) == 1 else redirect("generation:jobs")


@login_required
@require_POST
def again(request: SignedInRequest, job_id: UUID) -> HttpResponse:
    """Queue the request of a job once more, with a new seed."""
    found = get_object_or_404(jobs_of(request.user), pk=job_id)
    if not limits.may_submit(request):
        return limits.refusal() if request.htmx else _refused(request, job_id, [limits.too_fast()])
    offer = available.offer()
    try:
        wanted = replace(RenderRequest.from_dict(as_written(found.request)), seed=None)
        wanted = parse(wanted.to_dict(), offer.catalogue, offer.limits)
        jobs = services.submit_many(request.user, [wanted])
    except InvalidRequest as error:
        return _refused(request, job_id, [str(text) for texts in error.errors.values() for text in texts])
    if not request.htmx:
        return queued(request, jobs)
    if request.htmx.current_url_abs_path is None or not _is_create(request.htmx.current_url_abs_path):
        return HttpResponseClientRedirect(reverse("generation:jobs"))
    return reswap(retarget(queued(request, jobs), "#feed-jobs"), "afterbegin")


def _refused(request: SignedInRequest, job_id: UUID, texts: Sequence[str]) -> HttpResponse:
    """Say on the job's page why it was not queued again; its settings can be changed from there."""
    for text in texts:
        messages.warning(request, text)
    address = reverse("generation:job", args=[job_id])
    return HttpResponseClientRedirect(address) if request.htmx else redirect(address)


def _is_create(path: str) -> bool:
    return path.partition("?")[0].startswith(reverse("generation:create"))


def _named(job_ids: Sequence[UUID]) -> str:
    return ",".join(map(str, job_ids))
