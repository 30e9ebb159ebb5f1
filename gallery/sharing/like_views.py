"""Liking videos."""

from uuid import UUID

from django.contrib.auth.views import redirect_to_login
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST
from django_htmx.http import HttpResponseClientRedirect

from auravideo.core.addresses.redirects import next_page
from auravideo.core.http import HtmxHttpRequest
from gallery.access import shared_videos
from gallery.models import Video
from gallery.sharing import services
from gallery.sharing.forms import LikeForm
from gallery.sharing.places import Place


@require_POST
def like(request: HtmxHttpRequest, video_id: UUID) -> HttpResponse:
    video = get_object_or_404(Video.objects.listed(), pk=video_id)
    return _like(request, video, Place.of(video))


@require_POST
def shared_like(request: HtmxHttpRequest, token: str) -> HttpResponse:
    return _like(request, get_object_or_404(shared_videos(token)), Place.behind(token))


def _like(request: HtmxHttpRequest, video: Video, place: Place) -> HttpResponse:
    """Return the updated button or, without JavaScript, redirect to the page it was pressed on."""
    if not request.user.is_authenticated:
        return _sign_in(request, place)
    form = LikeForm(request.POST)
    if not form.is_valid():
        return HttpResponse(status=400)
    is_liked = form.cleaned_data["liked"] == "yes"
    (services.like if is_liked else services.unlike)(request.user, video)
    here = next_page(request, place.page)
    if not request.htmx:
        return redirect(here)
    video.refresh_from_db(fields=["likes"])
    context = {"video": video, "place": place, "is_liked": is_liked, "here": here}
    return render(request, "gallery/partials/like.html", context)


def _sign_in(request: HtmxHttpRequest, place: Place) -> HttpResponse:
    """Redirect to sign-in and back to the video; HTMX needs a client-side redirect for a full page."""
    answer: HttpResponseRedirect = redirect_to_login(place.page)
    return HttpResponseClientRedirect(answer.url) if request.htmx else answer
