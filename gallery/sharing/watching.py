"""Shared parts of the watch pages."""

from typing import TYPE_CHECKING, Any

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils.cache import patch_cache_control

from accounts.http import Viewer
from gallery.models import Like, Video
from gallery.sharing import previews
from gallery.sharing.places import Place
from gallery.sharing.selectors import tags_of

if TYPE_CHECKING:
    from gallery.annotated import SeenVideo


def page(request: HttpRequest, video: "SeenVideo", place: Place) -> HttpResponse:
    """Render the watch page of a video (see `as_seen_by`) at one of its places, in one query."""
    context: dict[str, Any] = {
        "video": video,
        "place": place,
        "tags": tags_of(video),
        "is_liked": video.is_liked,
        "properties": previews.tags_for(request, video, place),
        "discovery": previews.discovery(request, place),
        "here": place.page,
        "token": place.key if place.source == "share" else "",
    }
    response = render(request, "gallery/watch.html", context)
    patch_cache_control(response, private=True, no_cache=True)
    return response


def unlisted(response: HttpResponse) -> HttpResponse:
    """Keep a page behind a link out of search engines and shared caches, and its token out of referrers."""
    patch_cache_control(response, private=True, no_cache=True)
    response["X-Robots-Tag"] = "noindex, nofollow"
    response["Referrer-Policy"] = "same-origin"
    return response


def as_seen_by(user: Viewer, videos: QuerySet[Video], **found_by: object) -> "SeenVideo":
    """Return the video with its owner and whether the viewer likes it, in one query. Raises Http404."""
    likes = Like.objects.filter(Q(user_id=user.pk), video=OuterRef("pk"))
    return get_object_or_404(videos.select_related("user").annotate(is_liked=Exists(likes)), **found_by)
