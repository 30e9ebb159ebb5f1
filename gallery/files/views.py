"""The files of a video: its owner's, everybody's once it is public, and a moderator's, who has to look at them.

Who may not have one gets the same answer as where there is none.
"""

from uuid import UUID

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404
from django.utils.text import slugify
from django.views.decorators.http import require_safe

from auravideo.core.file_serving import serve
from gallery.access import playable_videos
from gallery.models import Video


@require_safe
def file(request: HttpRequest, video_id: UUID) -> HttpResponseBase:
    return serve(request, _found(request, video_id).video_file.name)


@require_safe
def download(request: HttpRequest, video_id: UUID) -> HttpResponseBase:
    found = _found(request, video_id)
    return serve(request, found.video_file.name, download_as=f"{file_stem(found)}.{found.format}")


@require_safe
def poster(request: HttpRequest, video_id: UUID) -> HttpResponseBase:
    return serve(request, _found(request, video_id).poster_file.name)


@require_safe
def preview(request: HttpRequest, video_id: UUID) -> HttpResponseBase:
    return serve(request, _found(request, video_id).preview_file.name)


@require_safe
def thumbnail(request: HttpRequest, video_id: UUID) -> HttpResponseBase:
    """The small still picture; the poster, where the video was made before there were any."""
    found = _found(request, video_id)
    return serve(request, (found.thumbnail_file or found.poster_file).name)


def file_stem(video: Video) -> str:
    """What a saved file of it is called, without the ending."""
    return slugify(video.title)[:60] or "video"


def _found(request: HttpRequest, video_id: UUID) -> Video:
    return get_object_or_404(playable_videos(request.user), pk=video_id)
