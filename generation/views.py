"""The pages of what was asked for. Every one of them asks who is there, and shows a person their own jobs only."""

from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.files.storage import storages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.templatetags.static import static
from django.utils.translation import gettext as _
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_GET, require_POST

from generation import services
from generation.models import Job
from generation.params import InvalidRequest
from generation.rendering import job_context
from generation.selectors import jobs_of

JOBS_A_PAGE = 24
PREVIEW_KEY = "jobs/{}/preview.webp"
BLANK = "images/logo.svg"


@login_required
@require_GET
def jobs(request: HttpRequest) -> HttpResponse:
    """A person's jobs, newest first."""
    page = Paginator(jobs_of(request.user), JOBS_A_PAGE).get_page(request.GET.get("page"))
    cards = [job_context(job) for job in page.object_list]
    return render(request, "generation/jobs.html", {"page": page, "jobs": cards})


@login_required
@require_GET
def job(request: HttpRequest, job_id: UUID) -> HttpResponse:
    """One job."""
    return render(request, "generation/job.html", job_context(_mine(request, job_id)))


@login_required
@require_POST
def cancel(request: HttpRequest, job_id: UUID) -> HttpResponse:
    return _after(request, job_id, services.cancel, _("This clip has ended already, so there is nothing to cancel."))


@login_required
@require_POST
def retry(request: HttpRequest, job_id: UUID) -> HttpResponse:
    return _after(request, job_id, services.retry, _("Only a failed or cancelled clip can be rendered again."))


@login_required
@require_GET
@cache_control(private=True, max_age=3600)
def preview(request: HttpRequest, job_id: UUID) -> HttpResponse:
    """The newest live preview of a job, a small animated picture.

    It is deleted when the job ends, which a page may not have heard of yet: that page gets the blank picture.
    """
    key = PREVIEW_KEY.format(_mine(request, job_id).pk)
    try:
        with storages["frames"].open(key) as stream:
            return HttpResponse(stream.read(), content_type="image/webp")
    except FileNotFoundError:
        return redirect(static(BLANK))


def _after(request: HttpRequest, job_id: UUID, act, refusal: str) -> HttpResponse:
    found = _mine(request, job_id)
    try:
        refusals = [] if act(found) else [refusal]
    except InvalidRequest as error:
        refusals = [text for texts in error.errors.values() for text in texts]
    for text in refusals:
        messages.info(request, text)
    if request.htmx:
        return render(request, "generation/partials/job.html", job_context(_mine(request, job_id)))
    return redirect("generation:job", job_id)


def _mine(request: HttpRequest, job_id: UUID) -> Job:
    return get_object_or_404(jobs_of(request.user), pk=job_id)
