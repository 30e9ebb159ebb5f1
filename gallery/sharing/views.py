"""The pages others see: Explore, profiles, and a shared video."""

from uuid import UUID

from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.utils.cache import patch_cache_control, patch_vary_headers
from django.views.decorators.http import require_safe

from accounts import limits
from auravideo.core.http import HtmxHttpRequest
from auravideo.core.keyset import Page
from gallery.access import shared_videos
from gallery.models import Video
from gallery.sharing import selectors, watching
from gallery.sharing.places import Place
from gallery.sharing.selectors import Wanted


@require_safe
def explore(request: HtmxHttpRequest) -> HttpResponse:
    """List the public videos: newest, most liked or picked; by tag, or by words in their prompt or title."""
    wanted = Wanted.of(request.GET)
    if wanted.text and request.user.is_authenticated and (refused := limits.beyond(request, "search")):
        return refused
    page = selectors.explore(request.user, wanted, request.GET)
    context = {"wanted": wanted, "without_text": wanted.kept(q="")}
    return _list(request, "gallery/explore.html", page, wanted.kept(), context)


@require_safe
def profile(request: HtmxHttpRequest, username: str) -> HttpResponse:
    """List a user's public videos. 404 if there are none, except for the user themselves."""
    page = selectors.public_videos_of(request.user, username, request.GET)
    is_own = username.lower() == request.user.get_username().lower()
    if not (page.rows or is_own):
        raise Http404
    person = page.rows[0].user if page.rows else request.user
    return _list(request, "gallery/profile.html", page, "", {"person": person})


@require_safe
def watch(request: HtmxHttpRequest, video_id: UUID) -> HttpResponse:
    """Show a public video to everyone but its owner."""
    video = watching.as_seen_by(request.user, Video.objects.listed(), pk=video_id)
    return watching.page(request, video, Place.of(video))


@require_safe
def shared(request: HtmxHttpRequest, token: str) -> HttpResponse:
    """Show the video behind an unlisted link to anyone who has it; its owner sees the same page."""
    video = watching.as_seen_by(request.user, shared_videos(token))
    return watching.unlisted(watching.page(request, video, Place.behind(token)))


def _list(request: HtmxHttpRequest, template: str, page: Page, kept: str, context: dict) -> HttpResponse:
    """Render a page of cards; when an open page is scrolled, only the next cards."""
    context |= {"page": page, "cards": selectors.cards(page.rows), "kept": f"{kept}&" if kept else ""}
    context["here"] = request.get_full_path()
    is_part = request.htmx and request.htmx.target == "cards"
    response = render(request, "gallery/partials/public_cards.html" if is_part else template, context)
    patch_cache_control(response, private=True)
    patch_vary_headers(response, ["HX-Request", "HX-Target"])  # the Back button must not show a fragment
    return response
