"""Checks of shared videos, run by the workers of the queue `cpu`."""

import logging
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.module_loading import import_string

from auravideo.core.liveness import allowances, progress
from gallery.models import (
    MOST_ATTEMPTS,
    SHARED,
    TO_SCREEN,
    UNDECIDED,
    SafetyRule,
    Screened,
    Screening,
    Video,
    VideoQuerySet,
    Visibility,
)
from gallery.moderation import services as moderation
from gallery.sharing import safety
from generation.queue.sending import MAX_PRIORITY

logger = logging.getLogger(__name__)

AT_ONCE = 100  # messages per sweep
EARLIER_AT_ONCE = 10  # of videos shared before there was a check, which nobody waits for
DECIDED_AT_ONCE = 500  # videos to which a new threshold is applied per run
RETRY_AFTER = timedelta(minutes=5)  # an attempt that failed
OUR_FAULT = (Screening.Problem.MISSING, Screening.Problem.STORAGE)


# --- One video --------------------------------------------------------------------------------------------------------


def screen(video_id: UUID) -> Screened | None:
    """Check a shared video and decide. Idempotent: what was looked at before is decided from its scores.

    Returns the state of the video; None if it is not due (private, deleted, decided), or the check is off.
    """
    rule = SafetyRule.current()
    video = to_screen().filter(pk=video_id).first()
    if video is None or not rule.is_on:
        return None
    highest = _highest_of(video)
    if highest is None:
        return _hand_over(video) if _is_hopeless(video) and not _is_at_work(video) else Screened(video.screening)
    if highest >= rule.threshold:
        moderation.flag(video)
    else:
        Video.objects.filter(pk=video.pk, screening__in=UNDECIDED).update(screening=Screened.PASSED)
    video.refresh_from_db(fields=["screening"])
    logger.info("Safety check of video %s: %s, highest score %.3f", video.pk, video.screening, highest)
    return Screened(video.screening)


def to_screen() -> VideoQuerySet:
    """Return the shared videos that the check has not decided about."""
    return Video.objects.filter(TO_SCREEN)


def _highest_of(video: Video) -> float | None:
    """Return the video's highest score, looking at it unless that was done before; None if it could not be done."""
    known = Screening.objects.filter(video=video, highest__isnull=False).first()
    if known is not None:
        return known.highest
    if _is_hopeless(video):
        return None
    _begin(video)
    progress.expect(allowances.floor())  # no picture takes as long; the parent ends a process that stands still
    try:
        found = import_string(settings.SAFETY_LOOK)(
            {"video": video.video_file, "poster": video.poster_file}, video.frames, video.fps
        )
    except Exception as error:  # whatever it is, the video stays where it is, and somebody must learn why
        problem = problem_of(error)
        logger.exception("The safety check of video %s failed (%s); it will be retried", video.pk, problem)
        _remember(video, problem=problem, **({"attempts": 0} if problem in OUR_FAULT else {}))
        return None
    highest = max(score for _second, score in found["scores"])
    _remember(video, problem="", attempts=0, network=found["network"], scores=found["scores"], highest=highest)
    return highest


def _is_hopeless(video: Video) -> bool:
    """Return whether the clip has ended so many attempts that another one would only keep the worker from its work."""
    return Screening.objects.filter(video=video, highest=None, attempts__gte=MOST_ATTEMPTS).exists()


def _is_at_work(video: Video) -> bool:
    """Return whether the last attempt may still succeed: whoever shares a clip again and again begins several."""
    return Screening.objects.filter(safety.at_work(), video=video).exists()


def _hand_over(video: Video) -> Screened:
    """Let a moderator look at a clip that the check cannot. One that others see already stays as it is."""
    if video.screening == Screened.UNSEEN and moderation.flag(video):
        logger.error("The safety check gives up on video %s; a moderator has to look at it", video.pk)
    video.refresh_from_db(fields=["screening"])
    return Screened(video.screening)


def _begin(video: Video) -> None:
    """Note an attempt before it is made: one that ends the process must not be repeated at once, and must be told."""
    unfinished = Q(problem="", highest=None, tried_at__lt=Now() - safety.LOST_AFTER)
    if Screening.objects.filter(unfinished, video=video).exists():
        logger.error("The last safety check of video %s ended with its process", video.pk)
        _remember(video, problem=Screening.Problem.OTHER)
    else:
        _remember(video)
    Screening.objects.filter(video=video).update(attempts=F("attempts") + 1)


def problem_of(error: Exception) -> Screening.Problem:
    if isinstance(error, ImportError):
        return Screening.Problem.MISSING
    if isinstance(error, ValueError | FileNotFoundError):
        return Screening.Problem.FILE
    return Screening.Problem.STORAGE if isinstance(error, OSError) else Screening.Problem.OTHER


def _remember(video: Video, **facts: Any) -> None:
    new = {"asked_at": timezone.now(), "sent_at": timezone.now()}
    facts["tried_at"] = timezone.now()
    Screening.objects.update_or_create(video=video, defaults=facts, create_defaults={**new, **facts})


# --- Those that were left ---------------------------------------------------------------------------------------------


def ask_left_over() -> int:
    """Ask again for checks that failed or got lost; if there are none, for a few of the videos shared earlier.

    Returns the number of messages. Applies the present threshold first, in case a change of it was cut short.
    """
    if not SafetyRule.current().is_on:
        return 0
    apply_threshold()
    due = to_screen().filter(
        Q(screening_record=None)
        | Q(screening_record__sent_at__lt=Now() - safety.LOST_AFTER, screening_record__tried_at=None)
        | Q(screening_record__tried_at__lt=Now() - RETRY_AFTER, screening_record__sent_at__lt=Now() - RETRY_AFTER)
    )
    unseen = due.filter(screening=Screened.UNSEEN).order_by("?")[:AT_ONCE]  # in random order, so that none starves
    possible = due.exclude(screening_record__attempts__gte=MOST_ATTEMPTS, screening_record__highest=None)
    earlier = possible.filter(screening=Screened.EARLIER).order_by("-created_at")[:EARLIER_AT_ONCE]
    return safety.ask_for(unseen, MAX_PRIORITY) or safety.ask_for(earlier, MAX_PRIORITY)


# --- The rule ---------------------------------------------------------------------------------------------------------


def apply_threshold() -> bool:
    """Decide again about videos whose scores are known, as the rule now says. Returns whether nothing is left to do.

    What a moderator has decided stays. A private video that would be flagged is decided when it is shared.
    """
    rule = SafetyRule.current()
    if not rule.is_on:
        return True
    above = Video.objects.filter(screening_record__highest__gte=rule.threshold, screening=Screened.PASSED)
    private = above.filter(visibility=Visibility.PRIVATE).values("pk")
    Video.objects.filter(pk__in=private).update(screening=Screened.UNSEEN)
    flagged = list(above.exclude(visibility=Visibility.PRIVATE).select_related("user")[:DECIDED_AT_ONCE])
    for video in flagged:
        moderation.flag(video)
    below = Video.objects.filter(screening_record__highest__lt=rule.threshold, screening=Screened.FLAGGED)
    if settings.SAFETY_CHECK:  # those about which this has given up wait for that reason
        below = below.exclude(own_check__attempts__gte=MOST_ATTEMPTS)
    passed = list(below.select_related("user")[:DECIDED_AT_ONCE])
    for video in passed:
        moderation.clear(video)
    return max(len(flagged), len(passed)) < DECIDED_AT_ONCE


def switch_on() -> int:
    """Treat what was shared while the check was off as shared before there was one. Returns how many videos."""
    return Video.objects.filter(SHARED, screening=Screened.UNSEEN).update(screening=Screened.EARLIER)


def begin_applying() -> None:
    """Ask a worker to apply the rule. If the broker is down, the next sweep does it."""
    safety.send_later(safety.APPLY_TASK, "the message to apply the safety rule")
