"""A sweep: several values of one or two settings, shown as a grid before anything is queued."""

from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST

from accounts import limits
from accounts.http import SignedInRequest
from generation.batches import variations
from generation.create import unsent
from generation.create.forms import ADVANCED, CreateForm
from generation.create.summaries import queue_for
from generation.create.sweep_form import SweepForm
from generation.create.views import create_page
from generation.jobs.selectors import estimate
from generation.quotas import checks
from generation.quotas.selectors import allowance_of, standing_of
from generation.requests.request import InvalidRequest

NOT_SENT_ON = ("csrfmiddlewaretoken", "confirmed")


@unsent.keeps_form
@require_POST
def sweep(request: SignedInRequest) -> HttpResponse:
    """Show what a sweep would queue; once that is confirmed, queue it as a batch and compare its clips."""
    form = CreateForm(request.POST, mode=ADVANCED, allowance=allowance_of(request.user))
    asked = SweepForm(request.POST, form=form)
    if not asked.is_valid() or not form.is_valid():
        return create_page(request, form, asked)
    if "confirmed" not in request.POST:
        _tell_quotas(request, form, asked)
        return _confirm(request, asked) if asked.is_valid() else create_page(request, form, asked)
    if not limits.may_submit(request):
        asked.add_error(None, limits.too_fast())
        return limits.refused(create_page(request, form, asked))
    try:
        jobs = variations.submit(request.user, asked.requests, [axis.to_dict() for axis in asked.axes])
    except InvalidRequest as error:
        asked.add_error(None, [str(text) for texts in error.errors.values() for text in texts])
        return create_page(request, form, asked)
    return redirect(f"{reverse('gallery:compare')}?batch={jobs[0].batch_id}")


def _tell_quotas(request: SignedInRequest, form: CreateForm, asked: SweepForm) -> None:
    """Say before the grid is shown that the user may not make all of it."""
    if form.allowance.is_limited:
        for refusal in checks.refused(standing_of(request.user, form.allowance), asked.requests):
            asked.add_error(None, [str(text) for texts in refusal.errors.values() for text in texts])


def _confirm(request: SignedInRequest, asked: SweepForm) -> HttpResponse:
    across, *down = [axis.to_dict() for axis in asked.axes]
    sent = [(name, value) for name, values in request.POST.lists() if name not in NOT_SENT_ON for value in values]
    context = {
        "across": across,
        "down": down[0] if down else None,
        "count": len(asked.requests),
        "seconds": sum(estimate(wanted) for wanted in asked.requests),
        "queue": queue_for(request.user, asked.requests),
        "prompt": asked.requests[0].prompt,
        "sent": sent,
    }
    return render(request, "generation/sweep.html", context)
