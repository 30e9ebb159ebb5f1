"""Celery tasks of sharing, on the `cpu` queue."""

from uuid import UUID

from celery import shared_task

from gallery.sharing import safety


@shared_task(name=safety.CHECK_TASK, ignore_result=True)
def check_safety(video_id: str) -> None:
    safety.check(UUID(video_id))


@shared_task(name="gallery.tasks.check_safety_left_over", ignore_result=True)
def check_left_over() -> int:
    return safety.check_left_over()
