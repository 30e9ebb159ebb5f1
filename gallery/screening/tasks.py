"""Celery tasks of the safety checks, on the `cpu` queue."""

from uuid import UUID

from celery import shared_task

from gallery.screening import own, services
from gallery.sharing import safety


@shared_task(name=safety.SCREEN_TASK, ignore_result=True)
def screen(video_id: str) -> None:
    services.screen(UUID(video_id))


@shared_task(name=safety.CHECK_TASK, ignore_result=True)
def check_safety(video_id: str) -> None:
    own.check(UUID(video_id))


@shared_task(name="gallery.tasks.check_safety_left_over", ignore_result=True)
def check_left_over() -> int:
    return own.check_left_over()


@shared_task(name="gallery.tasks.screen_left_over", ignore_result=True)
def screen_left_over() -> int:
    return services.ask_left_over()


@shared_task(name=safety.APPLY_TASK, ignore_result=True)
def apply_threshold() -> None:
    """Apply the rule to the scores that are known, in several messages if they are many, so that clips don't wait."""
    if not services.apply_threshold():
        services.begin_applying()
