"""What the `cpu` queue does for the gallery. The web processes send it by name."""

from celery import shared_task

from gallery import lifecycle
from gallery.moderation import emails


@shared_task(name=lifecycle.PURGE_TASK, ignore_result=True)
def purge_trash() -> None:
    """A large trash is purged in several messages, so that clips do not wait behind it."""
    if not lifecycle.purge_trash():
        lifecycle.send_purge()


@shared_task(
    name=emails.LETTER_TASK,
    ignore_result=True,
    autoretry_for=emails.MAIL_ERRORS,
    retry_backoff=60,
    retry_jitter=False,
    max_retries=5,  # after 1, 2, 4, 8 and 10 minutes
)
def write_letter(action_id: str, until: str, site: str) -> None:
    emails.write(action_id, until, site)
