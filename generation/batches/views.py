"""Views for creating and watching batches. Users see only their own."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts import limits
from accounts.http import SignedInRequest, SignedInUpload
from auravideo.core import zips
from auravideo.core.file_names import stem
from auravideo.core.uploads import bounded_upload
from generation.batches import parsing
from generation.batches.forms import BatchForm
from generation.batches.progress import batches_of, counted, finished_files, progress_of_batch, queue
from generation.domain.states import ACTIVE
from generation.jobs.fragments import job_context
from generation.jobs.selectors import jobs_of, place_all
from generation.models import Batch
from generation.queue import services
from generation.quotas.selectors import allowance_of, standing_of

BATCHES_A_PAGE = 24
JOBS_A_PAGE = 24


@login_required
@require_http_methods(["GET", "POST"])
@bounded_upload(parsing.MAX_BYTES)
def create_many(request: SignedInUpload) -> HttpResponse:
    """Show the form, or queue its prompts as one batch: all or none, unless invalid lines are skipped."""
    allowance = allowance_of(request.user)
    if request.method == "GET":
        form = BatchForm(allowance=allowance)
        return render(request, "generation/create_many.html", _context(request, form))
    may_read = limits.may_read_file(request)
    asked = request.POST, request.FILES  # reads the body, so it comes before files_too_large
    too_large = bool(request.files_too_large)
    form = BatchForm(*asked, too_large=too_large, may_read=may_read, allowance=allowance)
    may_go_on = may_read and (not form.is_valid() or limits.may_submit(request))
    if not may_go_on:
        form.add_error(None, limits.too_fast())
    elif form.is_valid() and (batch := queue(request.user, form)):
        _tell_left_out(request, form)
        return redirect("generation:batch", batch.pk)
    response = render(request, "generation/create_many.html", _context(request, form))
    return response if may_go_on else limits.refused(response)


def _context(request: SignedInRequest, form: BatchForm) -> dict[str, Any]:
    standing = standing_of(request.user, form.allowance) if form.allowance.is_limited else None
    return {"form": form, "mode": "many", "standing": standing}


def _tell_left_out(request: SignedInRequest, form: BatchForm) -> None:
    if form.left_out is not None:
        count, reasons = form.left_out
        text = ngettext("%s clip could not be queued.", "%s clips could not be queued.", count) % count
        messages.warning(request, " ".join([text, *map(str, dict.fromkeys(reasons))]))


@login_required
@require_GET
def batches(request: SignedInRequest) -> HttpResponse:
    """List the user's batches, newest first."""
    page = Paginator(batches_of(request.user), BATCHES_A_PAGE).get_page(request.GET.get("page"))
    return render(request, "generation/batches.html", {"page": page, "batches": counted(page)})


@login_required
@require_GET
def batch(request: SignedInRequest, batch_id: UUID) -> HttpResponse:
    """Show one batch: its overall progress and its jobs in line order."""
    found = _mine(request, batch_id)
    rows = jobs_of(request.user).filter(batch=found).order_by("row")
    page = Paginator(rows, JOBS_A_PAGE).get_page(request.GET.get("page"))
    cards = [job_context(job) for job in place_all(page)]
    context = {"batch": found, "progress": progress_of_batch(found), "page": page, "jobs": cards}
    return render(request, "generation/batch.html", context)


@login_required
@require_GET
def progress(request: SignedInRequest, batch_id: UUID) -> HttpResponse:
    """Return the progress fragment, which polls itself until all jobs have ended."""
    found = _mine(request, batch_id)
    context = {"batch": found, "progress": progress_of_batch(found)}
    return render(request, "generation/partials/batch_progress.html", context)


@login_required
@require_POST
def cancel(request: SignedInRequest, batch_id: UUID) -> HttpResponse:
    """Cancel every active job in a batch."""
    found = _mine(request, batch_id)
    count = sum(services.cancel(job) for job in found.jobs.filter(status__in=ACTIVE))
    if count:
        messages.success(request, ngettext("%s clip was cancelled.", "%s clips were cancelled.", count) % count)
    else:
        messages.info(request, _("All of them have already ended, so there is nothing to cancel."))
    return redirect("generation:batch", batch_id)


@login_required
@require_GET
def download(request: SignedInRequest, batch_id: UUID) -> HttpResponseBase:
    """Stream all finished videos of a batch as a zip."""
    found = _mine(request, batch_id)
    files = finished_files(found)
    if not files:
        messages.info(request, _("None of these clips are finished yet, so there is nothing to download."))
        return redirect("generation:batch", batch_id)
    if refused := limits.beyond(request, "zip"):
        return refused
    return zips.response(files, f"{stem(found.name, 'batch')}.zip")


def _mine(request: SignedInRequest, batch_id: UUID) -> Batch:
    return get_object_or_404(Batch, pk=batch_id, user=request.user)
