"""What others see of videos: explore, profiles, and the page of one."""

from uuid import UUID

from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.utils.cache import patch_cache_control, patch_vary_headers
from django.views.decorators.http import require_safe

from auravideo.core.http import HtmxHttpRequest
from auravideo.core.keyset import Page
from gallery.access import shared_videos
from gallery.models import Video
from gallery.sharing import selectors, watching
from gallery.sharing.places import Place
from gallery.sharing.selectors import Wanted


@require_safe
def explore(request: HtmxHttpRequest) -> HttpResponse:
    """The public videos: newest, most liked or picked; of a tag; with words in their prompt or title."""
    wanted = Wanted.of(request.GET)
    page = selectors.explore(request.user, wanted, request.GET)
    context = {"wanted": wanted, "without_text": wanted.kept(q="")}
    return _list(request, "gallery/explore.html", page, wanted.kept(), context)


@require_safe
def profile(request: HtmxHttpRequest, username: str) -> HttpResponse:
    """What a person has made public. Without any there is no profile, except for the person."""
    page = selectors.public_videos_of(request.user, username, request.GET)
    is_own = username.lower() == request.user.get_username().lower()
    if not (page.rows or is_own):
        raise Http404
    person = page.rows[0].user if page.rows else request.user
    return _list(request, "gallery/profile.html", page, "", {"person": person})


@require_safe
def watch(request: HtmxHttpRequest, video_id: UUID) -> HttpResponse:
    """A public video, for everybody but its owner."""
    video = watching.as_seen_by(request.user, Video.objects.listed(), pk=video_id)
    return watching.page(request, video, Place.of(video))


@require_safe
def shared(request: HtmxHttpRequest, token: str) -> HttpResponse:
    """The video behind a link, for whoever has it; its owner sees what they see."""
    video = watching.as_seen_by(request.user, shared_videos(token))
    return watching.unlisted(watching.page(request, video, Place.behind(token)))


def _list(request: HtmxHttpRequest, template: str, page: Page, kept: str, context: dict) -> HttpResponse:
    """A page of cards; for the scrolling of a page that is open, only the cards and where to go on."""
    context |= {"page": page, "cards": selectors.cards(page.rows), "kept": f"{kept}&" if kept else ""}
    context["here"] = request.get_full_path()
    is_part = request.htmx and request.htmx.target == "cards"
    response = render(request, "gallery/partials/public_cards.html" if is_part else template, context)
    patch_cache_control(response, private=True)
    patch_vary_headers(response, ["HX-Request", "HX-Target"])  # what is gone back to must not be a part
    return response
