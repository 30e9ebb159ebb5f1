"""File views of a video, each at two addresses: by ID for viewers who may play it, and by token for its unlisted link.

By ID, a file is served to the owner, to everyone once the video is public, and to moderators reviewing it. A forbidden
file answers 404, exactly like a missing one.
"""

from functools import lru_cache
from uuid import UUID

from django.core.files.storage import storages
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404
from django.views.decorators.http import require_safe

from accounts.staff import second_factor
from auravideo.core.file_names import stem
from auravideo.core.file_serving import serve
from auravideo.core.media import covers
from gallery.access import MODERATE, playable_videos, shared_videos
from gallery.models import Video

_COVERS = 16  # of some 60 kB, remembered by each process: a link that was just shared is asked for by several at once


@require_safe
def file(request: HttpRequest, video_id: UUID | None = None, token: str = "") -> HttpResponseBase:
    found = _found(request, video_id, token)
    return _served(request, found.video_file.name, token, without=_hidden(request, found))


@require_safe
def download(request: HttpRequest, video_id: UUID | None = None, token: str = "") -> HttpResponseBase:
    found = _found(request, video_id, token)
    hidden = _hidden(request, found)
    name = f"{stem(found.disclosed.title, 'video') if hidden else file_stem(found)}.{found.format}"
    return _served(request, found.video_file.name, token, download_as=name, without=hidden)


@require_safe
def poster(request: HttpRequest, video_id: UUID | None = None, token: str = "") -> HttpResponseBase:
    return _served(request, _found(request, video_id, token).poster_file.name, token)


@require_safe
def preview(request: HttpRequest, video_id: UUID | None = None, token: str = "") -> HttpResponseBase:
    return _served(request, _found(request, video_id, token).preview_file.name, token)


@require_safe
def thumbnail(request: HttpRequest, video_id: UUID | None = None, token: str = "") -> HttpResponseBase:
    """Serve the small still image, or the poster for videos older than thumbnails."""
    found = _found(request, video_id, token)
    return _served(request, (found.thumbnail_file or found.poster_file).name, token)


@require_safe
def cover(request: HttpRequest, video_id: UUID | None = None, token: str = "") -> HttpResponseBase:
    """Serve the JPEG that link previews on other sites show. It is made on demand."""
    found = _found(request, video_id, token)
    try:
        content = _cover(found.pk, found.poster_file.name or "")
    except FileNotFoundError:
        raise Http404 from None
    # Like the other files: a revoked link stops working at once.
    headers = {"Cache-Control": "private, no-cache", "X-Content-Type-Options": "nosniff"}
    if token:
        headers["X-Robots-Tag"] = "noindex"
    return HttpResponse(content, content_type="image/jpeg", headers=headers)


@lru_cache(maxsize=_COVERS)
def _cover(_video_id: UUID, poster: str) -> bytes:
    """Return the cover of a video. Of its ID, only that it tells files of the same name apart counts."""
    with storages["default"].open(poster) as picture:
        return covers.cover(picture.read())


def file_stem(video: Video) -> str:
    """Return the download file name of a video, without the extension."""
    return stem(video.title, "video")


def _found(request: HttpRequest, video_id: UUID | None, token: str) -> Video:
    if video_id is None:
        return get_object_or_404(shared_videos(token))
    return get_object_or_404(playable_videos(request.user), pk=video_id)


def _hidden(request: HttpRequest, video: Video) -> frozenset[str]:
    """Return what the file must not say of the request: nothing is hidden from the owner and from moderators."""
    hidden = video.hides_from(request.user)
    return frozenset() if hidden and second_factor.may(request.user, MODERATE) else hidden


def _served(
    request: HttpRequest, name: str | None, token: str, *, download_as: str = "", without: frozenset[str] = frozenset()
) -> HttpResponseBase:
    response = serve(request, name, download_as=download_as, without=without)
    if token:
        response["X-Robots-Tag"] = "noindex"
    return response
