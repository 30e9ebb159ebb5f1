"""Views to list, rename and delete presets. The create form makes them."""

from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from accounts.http import SignedInRequest
from generation.presets.forms import RenameForm
from generation.presets.services import own_presets, visible_presets


@login_required
@require_GET
def presets(request: SignedInRequest) -> HttpResponse:
    """List the presets that the user can use; only their own can be renamed and deleted."""
    return _page(request)


@login_required
@require_POST
def rename(request: SignedInRequest, preset_id: UUID) -> HttpResponse:
    preset = get_object_or_404(own_presets(request.user), pk=preset_id)
    form = RenameForm(request.POST, instance=preset, prefix=str(preset_id))
    if not form.is_valid():
        return _page(request, form)
    form.save()
    messages.success(request, _("The preset is now named %s.") % preset.name)
    return redirect("generation:presets")


@login_required
@require_POST
def delete(request: SignedInRequest, preset_id: UUID) -> HttpResponse:
    preset = get_object_or_404(own_presets(request.user), pk=preset_id)
    preset.delete()
    messages.success(request, _("The preset %s was deleted.") % preset.name)
    return redirect("generation:presets")


def _page(request: SignedInRequest, wrong: RenameForm | None = None) -> HttpResponse:
    """Render the list, with one form per own preset; `wrong` is the form that failed validation."""
    found = list(visible_presets(request.user))
    own = [preset for preset in found if not preset.is_shared]
    forms = [
        wrong
        if wrong is not None and wrong.instance.pk == preset.pk
        else RenameForm(instance=preset, prefix=str(preset.pk))
        for preset in own
    ]
    shared = [preset for preset in found if preset.is_shared]
    return render(request, "generation/presets.html", {"forms": forms, "shared": shared})
