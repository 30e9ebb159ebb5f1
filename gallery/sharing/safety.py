"""The safety check of the site, where one is configured: it looks at a video before others may see it.

`settings.SAFETY_CHECK` is the dotted path of a callable `(request, files) -> bool`: the stored request (a dict with the
prompt and the seed), and the stored files by kind ("video", "poster", "preview", each with `open("rb")` and `name`).
True passes, False refuses, for good; an exception leaves the video unchecked, and it is asked again. Only the `cpu`
workers load it. `VideoQuerySet.shown` keeps back whatever has not passed.
"""

import logging
from collections.abc import Callable
from functools import partial
from uuid import UUID

from django.conf import settings
from django.utils.module_loading import import_string

from auravideo.core import publish
from gallery.models import Safety, Video, Visibility

log = logging.getLogger(__name__)

CHECK_TASK = "gallery.tasks.check_safety"
AT_ONCE = 100  # how many of those that wait one sweep asks for


def ask_on_commit(video: Video) -> None:
    """Have a video looked at that others are about to see, unless it was, or nothing is configured."""
    if settings.SAFETY_CHECK and video.safety == Safety.UNCHECKED:
        publish.attempt_on_commit(_message(video.pk), f"the message to check video {video.pk}", robust=True)


def send(video_id: UUID) -> None:
    """Ask a worker to check a video. If the broker is down, it stays unchecked and `check_left_over` asks again."""
    publish.attempt(_message(video_id), f"the message to check video {video_id}")


def _message(video_id: UUID) -> Callable[[], None]:
    return partial(publish.send_task, CHECK_TASK, str(video_id))


def waiting():
    """The videos that others were meant to see and that nothing has looked at yet."""
    return Video.objects.kept().exclude(visibility=Visibility.PRIVATE).filter(safety=Safety.UNCHECKED)


def check(video_id: UUID) -> Safety:
    """Look at a video, once. May be called any number of times; what was made private meanwhile is left alone."""
    video = waiting().filter(pk=video_id).first()
    if video is None or not settings.SAFETY_CHECK:
        return Safety.UNCHECKED
    files = {"video": video.video_file, "poster": video.poster_file, "preview": video.preview_file}
    try:
        passed = import_string(settings.SAFETY_CHECK)(dict(video.request), files)
    except Exception:  # it is the operator's own code: whatever it raises, the video stays unseen
        log.exception("The safety check of video %s failed; it is asked again", video_id)
        return Safety.UNCHECKED
    result = Safety.PASSED if passed else Safety.REFUSED
    Video.objects.filter(pk=video_id, safety=Safety.UNCHECKED).update(safety=result)
    log.info("The safety check of video %s: %s", video_id, result)
    return result


def check_left_over() -> int:
    """Ask again for what failed, whose message was lost, or what was shared before there was a check."""
    if not settings.SAFETY_CHECK:
        return 0
    left = list(waiting().order_by("?").values_list("pk", flat=True)[:AT_ONCE])  # none starves
    for video_id in left:
        send(video_id)
    return len(left)
