"""The page that asks for a clip; what becomes of it is in job_views.py."""

from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from generation import services
from generation.forms import CreateForm
from generation.params import InvalidRequest
from generation.selectors import jobs_of


@login_required
@require_http_methods(["GET", "POST"])
def create(request: HttpRequest) -> HttpResponse:
    """Ask for a clip."""
    form = CreateForm(request.POST or None, initial=_initial(request))
    if request.method == "POST" and form.is_valid():
        try:
            job = services.submit(request.user, form.render_request)
        except InvalidRequest as error:
            form.add_error(None, [str(text) for texts in error.errors.values() for text in texts])
        else:
            messages.success(request, _("Your clip is queued. You can close this page; it goes on."))
            return redirect("generation:job", job.pk)
    return render(request, "generation/create.html", {"form": form})


def _initial(request: HttpRequest) -> dict:
    """The form's first values: those of the job that 'create again' names, or the defaults."""
    try:
        again = jobs_of(request.user).filter(pk=UUID(request.GET.get("from", ""))).first()
    except ValueError:
        again = None
    if again is None:
        return {}
    asked = again.render_request
    return {**again.request, "size": f"{asked.width}x{asked.height}", "seed": again.seed}
