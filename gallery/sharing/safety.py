"""What is asked of the safety checks when a video is shared: of the built-in one and of the operator's own.

Both are in gallery/screening. The results of the first are in `Video.screening`, those of the other in `Video.safety`.
`VideoQuerySet.shown` excludes every video that has not passed.
"""

from collections.abc import Callable, Iterable
from datetime import timedelta
from functools import partial
from uuid import UUID

from django.conf import settings
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone

from auravideo.core import publish
from gallery.models import TO_SCREEN, UNDECIDED, Safety, SafetyRule, Screened, Screening, Video
from generation.queue import broker
from generation.queue.sending import MAX_PRIORITY

CHECK_TASK = "gallery.tasks.check_safety"
SCREEN_TASK, APPLY_TASK = "gallery.tasks.screen", "gallery.tasks.apply_safety_rule"
LOST_AFTER = timedelta(minutes=2)  # a message, or an attempt, without a result


def ask_on_commit(video: Video) -> None:
    """Queue the checks of a video about to be shared, unless it was checked or there are none."""
    if settings.SAFETY_CHECK and video.safety == Safety.UNCHECKED:
        publish.attempt_on_commit(_message(video.pk), f"the message to check video {video.pk}", robust=True)
    if video.screening in UNDECIDED and SafetyRule.current().is_on:
        Screening.objects.filter(video=video).update(asked_at=timezone.now())
        # Whatever became of an earlier check, this is a new one; one that has not ended yet still counts.
        Screening.objects.filter(video=video).exclude(at_work()).update(tried_at=None, problem="")
        ask_for([video], _priority(video))


def at_work() -> Q:
    """Return the condition on Screening that somebody is looking at the video at this moment, or was until just now."""
    return Q(problem="", highest=None, tried_at__gt=Now() - LOST_AFTER)


def _priority(video: Video) -> int:
    """Return how late a check comes: the later, the more of its owner's wait, so that a flood lets others go first."""
    waiting = Video.objects.filter(TO_SCREEN, user=video.user_id, screening=Screened.UNSEEN).exclude(pk=video.pk)
    return waiting[:MAX_PRIORITY].count()


def ask_for(videos: Iterable[Video], priority: int) -> int:
    """Queue built-in checks of these videos, once the transaction is committed. Returns how many.

    `priority` is that of steps of clips in the same queue, 0 to MAX_PRIORITY; 0 is served first.
    """
    now, asked, order = timezone.now(), list(videos), broker.wire_priority(priority)
    rows = [Screening(video=video, asked_at=now, sent_at=now) for video in asked]
    Screening.objects.bulk_create(rows, ignore_conflicts=True)
    Screening.objects.filter(video__in=asked).update(sent_at=now)
    for video in asked:
        send_later(SCREEN_TASK, f"the message to screen video {video.pk}", str(video.pk), priority=order)
    return len(asked)


def send_later(task: str, what: str, *args: object, priority: int | None = None) -> None:
    publish.attempt_on_commit(partial(publish.send_task, task, *args, priority=priority), what, robust=True)


def send(video_id: UUID) -> None:
    """Ask a worker for the operator's own check. If the broker is down, `own.check_left_over` asks again."""
    publish.attempt(_message(video_id), f"the message to check video {video_id}")


def _message(video_id: UUID) -> Callable[[], None]:
    return partial(publish.send_task, CHECK_TASK, str(video_id))
