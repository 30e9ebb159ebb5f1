"""The settings page that shows what the user may use, how much of it is used, and what the machine can do."""

from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from accounts.http import SignedInRequest
from generation.jobs.allowance import devices, meters, rows
from generation.quotas.selectors import standing_of


@login_required
@require_safe
def allowance(request: SignedInRequest) -> HttpResponse:
    standing = standing_of(request.user)
    context = {"standing": standing, "meters": meters(standing), "rows": rows(standing), "devices": devices()}
    return render(request, "generation/allowance.html", context)
