"""The files of a video behind its link, for whoever has the link, signed in or not."""

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404
from django.views.decorators.http import require_safe

from auravideo.core.file_serving import serve
from gallery.access import shared_videos
from gallery.files.views import file_stem
from gallery.models import Video


@require_safe
def file(request: HttpRequest, token: str) -> HttpResponseBase:
    return _served(request, _found(token).video_file.name)


@require_safe
def download(request: HttpRequest, token: str) -> HttpResponseBase:
    found = _found(token)
    return _served(request, found.video_file.name, download_as=f"{file_stem(found)}.{found.format}")


@require_safe
def poster(request: HttpRequest, token: str) -> HttpResponseBase:
    return _served(request, _found(token).poster_file.name)


@require_safe
def preview(request: HttpRequest, token: str) -> HttpResponseBase:
    return _served(request, _found(token).preview_file.name)


@require_safe
def thumbnail(request: HttpRequest, token: str) -> HttpResponseBase:
    found = _found(token)
    return _served(request, (found.thumbnail_file or found.poster_file).name)


def _found(token: str) -> Video:
    return get_object_or_404(shared_videos(token))


def _served(request: HttpRequest, name: str | None, *, download_as: str = "") -> HttpResponseBase:
    response = serve(request, name, download_as=download_as)
    response["X-Robots-Tag"] = "noindex"
    return response
