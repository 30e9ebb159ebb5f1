"""The operator's own safety check, run by the workers of the queue `cpu`.

`settings.SAFETY_CHECK` is the dotted path of a callable `(request, files) -> bool`: the stored request (a dict with the
prompt and the seed), and the stored files by kind ("video", "poster", "preview", each with `open("rb")` and `name`).
True passes the video, False rejects it for good. A video that it cannot look at MOST_ATTEMPTS times, because it raises
an error or hangs, waits for a moderator. Only the `cpu` workers load it.
"""

import logging
from collections.abc import Callable
from datetime import timedelta
from uuid import UUID

from django.conf import settings
from django.db.models import F, QuerySet
from django.db.models.functions import Now
from django.utils.module_loading import import_string
from PIL import UnidentifiedImageError

from gallery.models import MOST_ATTEMPTS, OwnCheck, Safety, Screened, Screening, Video, VideoQuerySet, Visibility
from gallery.moderation import services as moderation
from gallery.screening.services import OUR_FAULT, problem_of
from gallery.sharing import safety

logger = logging.getLogger(__name__)

AT_ONCE = 100  # unchecked videos per sweep
AGAIN_AFTER = timedelta(minutes=5)  # an attempt that has not ended
_WITH_MODERATORS = (Screened.FLAGGED, Screened.REFUSED)


def waiting() -> VideoQuerySet:
    """Return the shared videos that have not been checked yet."""
    return Video.objects.kept().exclude(visibility=Visibility.PRIVATE).filter(safety=Safety.UNCHECKED)


def check(video_id: UUID) -> Safety:
    """Check a video, once. Idempotent; skips videos that have since been made private, and those being checked."""
    video = waiting().filter(pk=video_id).first()
    if video is None or not settings.SAFETY_CHECK:
        return Safety.UNCHECKED
    if not _begin(video):
        return _hand_over(video) if _has_given_up(video) else Safety.UNCHECKED
    files = {"video": video.video_file, "poster": video.poster_file, "preview": video.preview_file}
    try:
        passed = _loaded()(dict(video.request), files)
    except Exception as error:  # the operator's own code: whatever it raises, the video stays hidden
        return _failed(video, error)
    result = Safety.PASSED if passed else Safety.REFUSED
    _decide(video, result)
    logger.info("Safety check of video %s: %s", video_id, result)
    return result


def _loaded() -> Callable:
    """Return the check. Raise ImportError whatever keeps it from being loaded: that is no video's fault."""
    try:
        return import_string(settings.SAFETY_CHECK)
    except Exception as error:
        raise ImportError(f"{settings.SAFETY_CHECK} cannot be loaded: {error}") from error


def _free(video: Video) -> QuerySet[OwnCheck]:
    """Return the record of a video that nobody is looking at, as far as one can tell."""
    return OwnCheck.objects.filter(video=video).exclude(problem="", tried_at__gt=Now() - AGAIN_AFTER)


def _begin(video: Video) -> bool:
    """Note an attempt before it is made: one that ends the process counts, too. Return whether there may be one now."""
    OwnCheck.objects.get_or_create(video=video)
    due = _free(video).filter(attempts__lt=MOST_ATTEMPTS)
    return bool(due.update(attempts=F("attempts") + 1, tried_at=Now(), problem=""))


def _has_given_up(video: Video) -> bool:
    return _free(video).filter(attempts__gte=MOST_ATTEMPTS).exists()


def _failed(video: Video, error: Exception) -> Safety:
    problem = Screening.Problem.FILE if _is_of_picture(error) else problem_of(error)
    logger.error("The safety check of video %s failed (%s)", video.pk, problem, exc_info=error)
    facts = {"problem": problem, **({"attempts": 0} if problem in OUR_FAULT else {})}
    OwnCheck.objects.filter(video=video).update(**facts)
    return _hand_over(video) if _has_given_up(video) else Safety.UNCHECKED


def _is_of_picture(error: Exception) -> bool:
    """Return whether Pillow cannot read a picture: it says so by an OSError without a number, as no storage does."""
    return isinstance(error, UnidentifiedImageError) or (type(error) is OSError and error.errno is None)


def _hand_over(video: Video) -> Safety:
    """Let a moderator look at a video that the check cannot; one whom a moderator has approved already passes."""
    if moderation.flag(video):
        logger.error("The own safety check gives up on video %s; a moderator has to look at it", video.pk)
    video.refresh_from_db(fields=["screening", "safety"])
    if video.screening == Screened.APPROVED:
        _decide(video, Safety.PASSED)
        return Safety.PASSED
    return Safety(video.safety)


def _decide(video: Video, result: Safety) -> None:
    Video.objects.filter(pk=video.pk, safety=Safety.UNCHECKED).update(safety=result)
    OwnCheck.objects.filter(video=video).delete()


def check_left_over() -> int:
    """Queue checks again: those that failed or got lost, and videos shared before a check was configured."""
    if not settings.SAFETY_CHECK:
        return 0
    due = waiting().exclude(own_check__attempts__gte=MOST_ATTEMPTS, screening__in=_WITH_MODERATORS)
    left = list(due.order_by("?").values_list("pk", flat=True)[:AT_ONCE])  # random order, so none starves
    for video_id in left:
        safety.send(video_id)
    return len(left)
