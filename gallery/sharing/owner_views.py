"""The owner's sharing actions. Each answers with the share panel or, without JavaScript, with the video's page."""

from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from accounts.http import SignedInRequest
from gallery.access import library_of
from gallery.models import Video, Visibility
from gallery.sharing import services
from gallery.sharing.forms import TagsForm, VisibilityForm
from gallery.sharing.panel import PENDING, kept_back, panel_of


@login_required
@require_POST
def visibility(request: SignedInRequest, video_id: UUID) -> HttpResponse:
    video = _mine(request, video_id)
    form = VisibilityForm(request.POST)
    if not form.is_valid():
        return HttpResponse(status=400)
    to = Visibility(form.cleaned_data["visibility"])
    # First, so that nobody reads for a moment what is to be hidden.
    hidden = form.disclosure is not None and services.disclose(video, form.disclosure)
    if not services.set_visibility(video, to) and hidden:
        return _panel(request, _mine(request, video_id), _("Saved what others can read."))
    present = _mine(request, video_id)  # as saved, in case another request changed it
    said = {
        Visibility.PRIVATE: _("Now only you can watch it."),
        Visibility.UNLISTED: _("Anyone with the link can now watch it."),
        Visibility.PUBLIC: _("Anyone can now find and watch it."),
    }
    return _panel(request, present, _held_back(present) or said[Visibility(present.visibility)])


def _held_back(video: Video) -> str:
    """Return what to say of a shared video instead of who can watch it now; "" if nothing holds it back."""
    why = kept_back(video)
    if not why or video.visibility == Visibility.PRIVATE:
        return ""
    if why in (*PENDING, "waiting"):
        return _("Shared. Others can watch it once it has been checked.")
    if why == "flagged":
        return _("Shared. Others can watch it once a moderator has approved it.")
    return _("Saved. For now, only you can watch it.")


@login_required
@require_safe
def check(request: SignedInRequest, video_id: UUID) -> HttpResponse:
    """Show how far the safety check is: the part of the panel that asks for itself until it is done.

    Answers 204 while it is as the page says already, so that nothing is read aloud again.
    """
    video = _mine(request, video_id)
    if not request.htmx:
        return redirect("gallery:video", video.pk)
    share = panel_of(request, video)
    if share.kept_back == request.GET.get("was"):
        return HttpResponse(status=204)
    context = {"video": video, "share": share, "asked": True}
    return render(request, "gallery/partials/share_check.html", context)


@login_required
@require_POST
def revoke(request: SignedInRequest, video_id: UUID) -> HttpResponse:
    """Revoke the unlisted link; a no-op if there is none."""
    services.revoke_link(_mine(request, video_id))
    return _panel(request, _mine(request, video_id), _("The link no longer works."))


@login_required
@require_POST
def tags(request: SignedInRequest, video_id: UUID) -> HttpResponse:
    video = _mine(request, video_id)
    form = TagsForm(request.POST)
    if form.is_valid():
        services.set_tags(video, form.cleaned_data["tags"])
        return _panel(request, video, _("Tags saved."))
    context = {"video": video, "share": panel_of(request, video, form)}
    return render(request, "gallery/partials/share_panel.html" if request.htmx else "gallery/share.html", context)


def _panel(request: SignedInRequest, video: Video, said: str) -> HttpResponse:
    if request.htmx:
        context = {"video": video, "share": panel_of(request, video), "said": said}
        return render(request, "gallery/partials/share_panel.html", context)
    messages.success(request, said)
    return redirect("gallery:video", video.pk)


def _mine(request: SignedInRequest, video_id: UUID) -> Video:
    return get_object_or_404(library_of(request.user), pk=video_id)
