"""Job views. All require sign-in and show users only their own jobs."""

from collections.abc import Callable
from datetime import datetime
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.files.storage import storages
from django.http import HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.templatetags.static import static
from django.urls import reverse
from django.utils.translation import get_language, ngettext
from django.utils.translation import gettext as _
from django.views.decorators.cache import cache_control, never_cache
from django.views.decorators.http import require_GET, require_POST
from django_htmx.http import HttpResponseClientRedirect

from accounts import limits
from accounts.http import SignedInRequest
from auravideo.core import clock
from auravideo.core.keyset import Page, page_of
from auravideo.core.storage import StorageUnavailable
from generation.domain import storage_keys
from generation.domain.states import ENDED, Status
from generation.jobs import archive, cures
from generation.jobs.activity import FILTERS, counts_of, panel_of
from generation.jobs.forms import RemoveEndedForm, SeenForm
from generation.jobs.fragments import filters_of, job_context, job_fragment, panel_fragment
from generation.jobs.page_updates import View
from generation.jobs.selectors import has_batches, is_site_paused, jobs_of, listed_jobs_of, place_all
from generation.models import Job
from generation.queue import services
from generation.requests.request import InvalidRequest

JOBS_A_PAGE = 24
QUEUED_A_PAGE = 72  # with what the panel shows, at most what a socket tells of
BLANK = "images/logo.svg"


@login_required
@require_GET
def jobs(request: SignedInRequest) -> HttpResponse:
    """Show the user's queue in its order, and what has ended, newest first; or one of both (?show=)."""
    show = request.GET.get("show", "all")
    show = show if show in FILTERS else "all"
    counts = counts_of(request.user)
    queue, page = _queue_page(request, show)
    context = {
        "show": show,
        "counts": counts,
        "filters": filters_of(counts),
        "page": page,
        "jobs": [job_context(job) for job in place_all(queue)],
        "recent": [job_context(job) for job in page.rows if not job.is_active],
        "more_queued": counts.active - len(queue) if show == "all" and queue else 0,
        "is_paused": request.user.queue_paused_at is not None,
        "is_site_paused": any(map(is_site_paused, queue)),
        "can_remove": bool(FILTERS[show] & ENDED),
        "has_batches": has_batches(request.user),
        "now": clock.now(),  # as the moments that it is compared with
    }
    return render(request, "generation/jobs.html", context)


def _queue_page(request: SignedInRequest, show: str) -> tuple[list[Job], Page]:
    """Return the queued and rendering jobs to show, in their order, and the page of the list."""
    listed = listed_jobs_of(request.user)
    active = listed.filter(status__in=FILTERS["active"])
    if show == "active":
        page = page_of(active, request.GET, QUEUED_A_PAGE, "queued_at")
        return sorted(page.rows, key=_rendering_first), page
    page = page_of(listed.filter(status__in=FILTERS[show] & ENDED), request.GET, JOBS_A_PAGE)
    first = active.order_by("queued_at")[:JOBS_A_PAGE] if show == "all" and not page.newer else ()
    return sorted(first, key=_rendering_first), page


def _rendering_first(job: Job) -> tuple[bool, datetime]:
    return job.status == Status.QUEUED, job.queued_at


@login_required
@require_GET
def job(request: SignedInRequest, job_id: UUID) -> HttpResponse:
    """Show one job, marking its outcome as seen."""
    found = _mine(request, job_id)
    if found.is_new and archive.mark_seen(request.user, [found.pk]):
        found = _mine(request, job_id)
    repairs = list(jobs_of(request.user).filter(repair_of=found)) if found.status == Status.FAILED else []
    return render(request, "generation/job.html", {**job_context(found), "repairs": repairs})


@login_required
@require_GET
@never_cache
def updates(request: SignedInRequest) -> HttpResponse:
    """Return what the socket sends when it opens, for pages that get no socket through their network."""
    query = request.GET.copy()
    query.setdefault("language", get_language())
    return HttpResponse(View(request.user, query.urlencode().encode()).present())


@login_required
@require_POST
def cancel(request: SignedInRequest, job_id: UUID) -> HttpResponse:
    return _after(request, job_id, services.cancel, _("This clip has already ended, so there is nothing to cancel."))


@login_required
@require_POST
def retry(request: SignedInRequest, job_id: UUID) -> HttpResponse:
    if not limits.may_submit(request):
        if request.htmx:
            return limits.refusal()
        messages.warning(request, limits.too_fast())
        return redirect("generation:job", job_id)
    return _after(request, job_id, services.retry, _("Only a failed or cancelled clip can be rendered again."))


@login_required
@require_POST
def repair(request: SignedInRequest, job_id: UUID) -> HttpResponse:
    """Queue what would help a failed job, and lead to it; a second click leads to the same clip."""
    found = _mine(request, job_id)
    if not limits.may_submit(request):
        if request.htmx:
            return limits.refusal()
        messages.warning(request, limits.too_fast())
        return redirect("generation:job", job_id)
    try:
        cure = cures.cure_of(found)
        made = cures.repair(found, cure) if cure else found
        texts = [] if cure else [_("Only a clip that failed can be repaired.")]
    except InvalidRequest as error:
        made, texts = found, [str(text) for texts in error.errors.values() for text in texts]
    for text in texts:
        messages.info(request, text)
    address = reverse("generation:job", args=[made.pk])
    return HttpResponseClientRedirect(address) if request.htmx else redirect(address)


@login_required
@require_POST
def remove(request: SignedInRequest, job_id: UUID) -> HttpResponse:
    """Remove an ended job from the list; the job's own page redirects to the list."""
    found = _mine(request, job_id)
    if not archive.remove(found):
        messages.info(request, _("A clip that is waiting or rendering cannot be removed. Cancel it first."))
        return _back_to_list(request)
    if request.htmx and request.htmx.current_url_abs_path != reverse("generation:job", args=[job_id]):
        return HttpResponse(panel_fragment(panel_of(request.user)))
    messages.success(request, _("The clip was removed from the list."))
    return _back_to_list(request)


@login_required
@require_POST
def cancel_waiting(request: SignedInRequest) -> HttpResponse:
    """Cancel all waiting jobs; running ones continue."""
    count = services.cancel_waiting(request.user)
    text = ngettext("%d waiting clip was cancelled.", "%d waiting clips were cancelled.", count) % count
    messages.info(request, text if count else _("Nothing was waiting."))
    return redirect("generation:jobs")


@login_required
@require_POST
def remove_ended(request: SignedInRequest) -> HttpResponse:
    """Remove the jobs that had ended when the page was rendered from the list, for one filter or all."""
    form = RemoveEndedForm(request.POST)
    if not form.is_valid():
        return HttpResponse(status=400)
    show = form.cleaned_data["show"]
    count = archive.remove_ended(request.user, FILTERS[show], form.cleaned_data["until"])
    text = ngettext("%d clip was removed from the list.", "%d clips were removed from the list.", count) % count
    messages.info(request, text if count else _("There was nothing to remove."))
    return redirect(_list_address(show))


@login_required
@require_POST
def seen(request: SignedInRequest) -> HttpResponse:
    """Mark outcomes as seen: those of the jobs that the panel names, or all of them."""
    form = SeenForm(request.POST)
    if not form.is_valid():
        return HttpResponse(status=400)
    archive.mark_seen(request.user, form.cleaned_data["jobs"])
    return HttpResponse(status=204) if request.htmx else redirect("generation:jobs")


@login_required
@require_GET
@cache_control(private=True, max_age=3600)
def preview(request: SignedInRequest, job_id: UUID) -> HttpResponse:
    """Return a job's newest live preview, a small animated WebP.

    It is deleted when the job ends. A page that has not received that update yet is redirected to a static image.
    """
    key = storage_keys.live_preview(_mine(request, job_id).pk)
    try:
        with storages["frames"].open(key) as stream:
            return HttpResponse(stream.read(), content_type="image/webp")
    except (FileNotFoundError, StorageUnavailable):
        return redirect(static(BLANK))


def _after(request: SignedInRequest, job_id: UUID, act: Callable[[Job], bool], refusal: str) -> HttpResponse:
    """Apply `act`, then return the panel with the job's article, if the page shows it; without htmx, redirect."""
    found = _mine(request, job_id)
    try:
        refusals = [] if act(found) else [refusal]
    except InvalidRequest as error:
        refusals = [text for texts in error.errors.values() for text in texts]
    if request.htmx:
        article = job_fragment(_mine(request, job_id), request, refusals) if request.htmx.target else ""
        return HttpResponse(article + panel_fragment(panel_of(request.user)))
    for text in refusals:
        messages.info(request, text)
    return redirect("generation:job", job_id)


def _mine(request: SignedInRequest, job_id: UUID) -> Job:
    return get_object_or_404(jobs_of(request.user), pk=job_id)


def _back_to_list(request: SignedInRequest) -> HttpResponse:
    address = reverse("generation:jobs")
    return HttpResponseClientRedirect(address) if request.htmx else redirect(address)


def _list_address(show: str) -> str:
    query = QueryDict(mutable=True)
    if show != "all":
        query["show"] = show
    return reverse("generation:jobs") + (f"?{query.urlencode()}" if query else "")
