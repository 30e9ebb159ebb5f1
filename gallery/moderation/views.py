"""Reporting a video, and a user's moderation notices. Reports are handled in the admin."""

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
from gallery.moderation import services, standing
from gallery.moderation.forms import ReportForm
from gallery.moderation.selectors import notices_of
from gallery.sharing.places import Place
from gallery.sharing.watching import unlisted

NOTICES_A_PAGE = 20


@require_http_methods(["GET", "POST"])
def report(request: HttpRequest, video_id: UUID) -> HttpResponse:
    """Report a public video; no account needed."""
    video = _reportable(request, Video.objects.listed().filter(pk=video_id))
    return _report(request, video, Place.of(video))


@require_http_methods(["GET", "POST"])
def report_shared(request: HttpRequest, token: str) -> HttpResponse:
    """Report a clip seen through its unlisted link."""
    video = _reportable(request, shared_videos(token))
    return unlisted(_report(request, video, Place.behind(token)))


def _reportable(request: HttpRequest, videos: QuerySet[Video]) -> Video:
    """Exclude the user's own videos, which they can simply make private."""
    theirs = videos.exclude(user=request.user) if request.user.is_authenticated else videos
    return get_object_or_404(theirs.select_related("user"))


def _report(request: HttpRequest, video: Video, place: Place) -> HttpResponse:
    """Show the form; once it is sent, redirect to the thank-you page of this video."""
    form = ReportForm(request.POST or None)
    if request.method == "POST":
        if refused := _too_many(request):
            return refused
        if form.is_valid():
            reporter = request.user if request.user.is_authenticated else None
            site = request.build_absolute_uri("/")
            is_new = services.report(video, reporter, _visitor_key(request), **form.cleaned_data, site=site)
            said: dict[str, Any] = {place.source: place.key} | ({} if is_new else {"known": 1})
            return redirect(f"{reverse('gallery:report-sent')}?{urlencode(said)}")
    return render(request, "gallery/report.html", {"form": form, "video": video, "place": place})


def _too_many(request: HttpRequest) -> HttpResponse | None:
    """Rate-limit by IP address and also by account, so that changing addresses doesn't help.

    Whoever has most reports dismissed gets to send few.
    """
    reporter = request.user if request.user.is_authenticated else None
    key = _visitor_key(request)
    refused = ratelimit.consume_or_429(request, action="report")
    if reporter is not None and not refused:
        refused = ratelimit.consume_or_429(request, action="report_signed_in", user=reporter)
    if not refused and standing.standing_of(reporter, key).trust < standing.DISTRUSTED:
        refused = ratelimit.consume_or_429(request, action="report_distrusted", key=f"{request.user.pk}-{key}")
    return refused


def _visitor_key(request: HttpRequest) -> str:
    """Return a key that tells visitors apart without storing their IP address."""
    return salted_hmac("gallery.report", get_adapter().client_network(request)).hexdigest()[:32]


@require_GET
def report_sent(request: HttpRequest) -> HttpResponse:
    """Thank the reporter, on a page of its own because the video may already be hidden."""
    context = {"is_known": "known" in request.GET, "place": _place_of_reported(request.GET)}
    return unlisted(render(request, "gallery/report_sent.html", context))


def _place_of_reported(query: Mapping[str, str]) -> Place | None:
    """Return the page to go back to; None if the video cannot be watched, such as when the report just hid it."""
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
    """List what moderation did about the user and their videos, and why. Opening the page marks them as read."""
    page = page_of(notices_of(request.user), request.GET, NOTICES_A_PAGE)
    services.mark_seen(request.user, page.rows)
    return render(request, "gallery/notices.html", {"page": page, "notices": page.rows})
