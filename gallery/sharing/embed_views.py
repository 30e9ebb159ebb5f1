"""The player that other sites embed in a frame, and the oEmbed endpoint that tells them how.

Both ignore the session: they show only what everyone, or anyone with the link, may see.
"""

from urllib.parse import urlsplit
from uuid import UUID

from csp.decorators import csp_replace
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, render
from django.urls import Resolver404, resolve
from django.views.decorators.clickjacking import xframe_options_exempt
from django.views.decorators.http import require_safe

from auravideo.core import links
from gallery.access import shared_videos
from gallery.models import Video
from gallery.sharing import previews
from gallery.sharing.places import Place
from gallery.sharing.watching import unlisted

MAX_ADDRESS = 2000
NO_LIMIT = 10_000  # pixels


@require_safe
@xframe_options_exempt
@csp_replace({"frame-ancestors": ["*"]})  # type: ignore[arg-type]  # typed for views without arguments alone
def embed(request: HttpRequest, video_id: UUID) -> HttpResponse:
    video = get_object_or_404(Video.objects.listed(), pk=video_id)
    response = render(request, "gallery/embed.html", {"video": video, "place": Place.of(video)})
    response["X-Robots-Tag"] = "noindex"  # search engines should find the video's own page
    return response


@require_safe
@xframe_options_exempt
@csp_replace({"frame-ancestors": ["*"]})  # type: ignore[arg-type]  # typed for views without arguments alone
def shared_embed(request: HttpRequest, token: str) -> HttpResponse:
    video = get_object_or_404(shared_videos(token))
    return unlisted(render(request, "gallery/embed.html", {"video": video, "place": Place.behind(token)}))


@require_safe
def oembed(request: HttpRequest) -> HttpResponse:
    """Answer an oEmbed request: 404 if the URL names no visible video, 501 for any format but JSON, as specified."""
    if request.GET.get("format", "json") != "json":
        return HttpResponse(status=501)
    video, place = _named(request, request.GET.get("url", ""))
    limits = (_pixels(request, "maxwidth"), _pixels(request, "maxheight"))
    response = JsonResponse(previews.oembed(request, video, place, *limits))
    response["Access-Control-Allow-Origin"] = "*"  # the answer is the same for every visitor
    return response


def _named(request: HttpRequest, url: str) -> tuple[Video, Place]:
    """Resolve a URL of this site to a video and its place. Raises Http404 if there is none."""
    try:
        parts = urlsplit(url[:MAX_ADDRESS])
        match = resolve(parts.path)
    except (ValueError, Resolver404):
        raise Http404 from None
    if not links.is_ours(request, url[:MAX_ADDRESS]):
        raise Http404
    if match.view_name == "gallery:shared":
        token = match.kwargs["token"]
        return get_object_or_404(shared_videos(token).select_related("user")), Place.behind(token)
    if match.view_name != "gallery:video":
        raise Http404
    video = get_object_or_404(Video.objects.listed().select_related("user"), pk=match.kwargs["video_id"])
    return video, Place.of(video)


def _pixels(request: HttpRequest, name: str) -> int:
    """Parse a limit in pixels; invalid values mean no limit."""
    text = request.GET.get(name, "")
    return int(text) or NO_LIMIT if text.isascii() and text.isdigit() and len(text) < 6 else NO_LIMIT
