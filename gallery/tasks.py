"""What the `cpu` queue does for the gallery. The web processes send it by name."""

from celery import shared_task

from gallery import services


@shared_task(name=services.PURGE_TASK, ignore_result=True)
def purge_trash() -> None:
    """A large trash is purged in several messages, so that clips do not wait behind it."""
    if not services.purge_trash():
        services.send_purge()
