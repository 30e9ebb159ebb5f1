"""What the pages on which others watch a video have in common."""

from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils.cache import patch_cache_control

from gallery.models import Video
from gallery.sharing import previews
from gallery.sharing.places import Place
from gallery.sharing.selectors import liked_among, tags_of


def page(request: HttpRequest, video: Video, place: Place) -> HttpResponse:
    """The page of a video at one of its two places; two queries, one for who is not signed in."""
    context: dict[str, Any] = {
        "video": video,
        "place": place,
        "tags": tags_of(video),
        "is_liked": bool(liked_among(request.user, [video])),
        "properties": previews.tags_for(request, video, place),
        "discovery": previews.discovery(request, place),
        "here": place.page,
    }
    response = render(request, "gallery/watch.html", context)
    patch_cache_control(response, private=True, no_cache=True)
    return response


def unlisted(response: HttpResponse) -> HttpResponse:
    """Behind a link: in no search engine, in no shared cache, and no other site is told the token."""
    patch_cache_control(response, private=True, no_cache=True)
    response["X-Robots-Tag"] = "noindex, nofollow"
    response["Referrer-Policy"] = "same-origin"
    return response


def with_owner(videos: QuerySet[Video], **found_by: object) -> Video:
    """The video with whose it is, or 404."""
    return get_object_or_404(videos.select_related("user"), **found_by)
