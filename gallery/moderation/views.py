"""Reporting a video, and what moderation has to tell a person. Handling reports is the administration's."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from allauth.account.adapter import get_adapter
from allauth.core import ratelimit
from django.contrib.auth.decorators import login_required
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.crypto import salted_hmac
from django.utils.http import urlencode
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods

from accounts.http import SignedInRequest
from auravideo.core.keyset import page_of
from gallery.access import shared_videos
from gallery.models import Video
from gallery.moderation import services
from gallery.moderation.forms import ReportForm
from gallery.moderation.selectors import notices_of
from gallery.sharing.places import Place
from gallery.sharing.watching import unlisted

NOTICES_A_PAGE = 20


@require_http_methods(["GET", "POST"])
def report(request: HttpRequest, video_id: UUID) -> HttpResponse:
    """Report a video that everybody may watch; whoever asks need not be signed in."""
    video = _reportable(request, Video.objects.listed().filter(pk=video_id))
    return _report(request, video, Place.of(video))


@require_http_methods(["GET", "POST"])
def report_shared(request: HttpRequest, token: str) -> HttpResponse:
    """Report a video that one may watch because one has its link."""
    video = _reportable(request, shared_videos(token))
    return unlisted(_report(request, video, Place.behind(token)))


def _reportable(request: HttpRequest, videos: QuerySet[Video]) -> Video:
    """One's own video is not to be reported: who does not want it shown makes it private."""
    theirs = videos.exclude(user=request.user) if request.user.is_authenticated else videos
    return get_object_or_404(theirs.select_related("user"))


def _report(request: HttpRequest, video: Video, place: Place) -> HttpResponse:
    """The form; once it is sent, the thanks, whose address says which video it was."""
    form = ReportForm(request.POST or None)
    if request.method == "POST":
        if refused := _too_many(request):
            return refused
        if form.is_valid():
            reporter = request.user if request.user.is_authenticated else None
            site = request.build_absolute_uri("/")
            is_new = services.report(video, reporter, _visitor_key(request), **form.cleaned_data, site=site)
            said: dict[str, Any] = {place.source: place.key} | ({} if is_new else {"known": 1})
            return redirect(f"{reverse('gallery:report_sent')}?{urlencode(said)}")
    return render(request, "gallery/report.html", {"form": form, "video": video, "place": place})


def _too_many(request: HttpRequest) -> HttpResponse | None:
    """By address for everybody, and by account, so that no account is a way around it."""
    refused = ratelimit.consume_or_429(request, action="report")
    if refused or not request.user.is_authenticated:
        return refused
    return ratelimit.consume_or_429(request, action="report_signed_in", user=request.user)


def _visitor_key(request: HttpRequest) -> str:
    """Tells visitors apart without keeping their address."""
    return salted_hmac("gallery.report", get_adapter().client_network(request)).hexdigest()[:32]


@require_GET
def report_sent(request: HttpRequest) -> HttpResponse:
    """Thanks. A page of its own: the video may be hidden by now."""
    context = {"is_known": "known" in request.GET, "place": _place_of_reported(request.GET)}
    return unlisted(render(request, "gallery/report_sent.html", context))


def _place_of_reported(query: Mapping[str, str]) -> Place | None:
    """Where to go back to; None where the address names nothing that may be watched, as once a report has hidden it."""
    token = query.get("share", "")
    if shared_videos(token).exists():
        return Place.behind(token)
    try:
        video = Video.objects.listed().filter(pk=UUID(query.get("video", ""))).first()
    except ValueError:
        return None
    return Place.of(video) if video else None


@login_required
@never_cache
@require_GET
def notices(request: SignedInRequest) -> HttpResponse:
    """What moderation did about a person and their videos, and why. Whoever opens it has read it."""
    page = page_of(notices_of(request.user), request.GET, NOTICES_A_PAGE)
    services.mark_seen(request.user, page.rows)
    return render(request, "gallery/notices.html", {"page": page, "notices": page.rows})
