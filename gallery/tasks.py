"""What the `cpu` queue does for the gallery. The web processes send it by name."""

from celery import shared_task

from gallery import services
from gallery.moderation import letters


@shared_task(name=services.PURGE_TASK, ignore_result=True)
def purge_trash() -> None:
    """A large trash is purged in several messages, so that clips do not wait behind it."""
    if not services.purge_trash():
        services.send_purge()


@shared_task(
    name=letters.LETTER_TASK,
    ignore_result=True,
    autoretry_for=letters.MAIL_ERRORS,
    retry_backoff=60,
    retry_jitter=False,
    max_retries=5,  # after 1, 2, 4, 8 and 10 minutes
)
def write_letter(action_id: str, until: str, site: str) -> None:
    letters.write(action_id, until, site)
