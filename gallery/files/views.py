"""File views of a video, each at two addresses: by ID for viewers who may play it, and by token for its unlisted link.

By ID, a file is served to the owner, to everyone once the video is public, and to moderators reviewing it. A forbidden
file answers 404, exactly like a missing one.
"""

from uuid import UUID

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404
from django.views.decorators.http import require_safe

from auravideo.core.file_names import stem
from auravideo.core.file_serving import serve
from gallery.access import playable_videos, shared_videos
from gallery.models import Video


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
