"""File views of a video, each at two addresses: by ID for viewers who may play it, and by token for its unlisted link.

By ID, a file is served to the owner, to everyone once the video is public, and to moderators reviewing it. A forbidden
file answers 404, exactly like a missing one.
"""

from uuid import UUID

from django.core.cache import cache
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404
from django.views.decorators.http import require_safe

from auravideo.core.file_names import stem
from auravideo.core.file_serving import serve
from auravideo.core.media import covers
from gallery.access import playable_videos, shared_videos
from gallery.models import Video

_COVERS_FOR = 3600  # s


@require_safe
def file(request: HttpRequest, video_id: UUID | None = None, token: str = "") -> HttpResponseBase:
    return _served(request, _found(request, video_id, token).video_file.name, token)


@require_safe
def download(request: HttpRequest, video_id: UUID | None = None, token: str = "") -> HttpResponseBase:
    found = _found(request, video_id, token)
    return _served(request, found.video_file.name, token, download_as=f"{file_stem(found)}.{found.format}")


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
    """Serve the JPEG that link previews on other sites show. It is made on demand and remembered for an hour."""
    found = _found(request, video_id, token)
    key = f"cover-{found.pk}"
    if (content := cache.get(key)) is None:
        try:
            with found.poster_file.open() as picture:
                content = covers.cover(picture.read())
        except FileNotFoundError:
            raise Http404 from None
        cache.set(key, content, _COVERS_FOR)
    # Like the other files: a revoked link stops working at once.
    headers = {"Cache-Control": "private, no-cache", "X-Content-Type-Options": "nosniff"}
    if token:
        headers["X-Robots-Tag"] = "noindex"
    return HttpResponse(content, content_type="image/jpeg", headers=headers)


def file_stem(video: Video) -> str:
    """Return the download file name of a video, without the extension."""
    return stem(video.title, "video")


def _found(request: HttpRequest, video_id: UUID | None, token: str) -> Video:
    if video_id is None:
        return get_object_or_404(shared_videos(token))
    return get_object_or_404(playable_videos(request.user), pk=video_id)


def _served(request: HttpRequest, name: str | None, token: str, *, download_as: str = "") -> HttpResponseBase:
    response = serve(request, name, download_as=download_as)
    if token:
        response["X-Robots-Tag"] = "noindex"
    return response
