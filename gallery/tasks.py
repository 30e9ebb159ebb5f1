"""Celery tasks of the gallery on the `cpu` queue. The web processes send them by name."""

from celery import shared_task

from gallery import lifecycle
from gallery.moderation import alerts, emails, newcomers
from gallery.pruning import run


@shared_task(name=lifecycle.PURGE_TASK, ignore_result=True)
def purge_trash() -> None:
    """Purge the trash, in several messages if it is large, so that clips don't wait behind it."""
    if not lifecycle.purge_trash():
        lifecycle.send_purge()


@shared_task(name="gallery.tasks.prune", ignore_result=True)
def prune() -> int:
    """Delete what was left behind or is no longer kept, for a while; the next run continues."""
    return run.prune()


@shared_task(name=emails.LETTER_TASK, **emails.AS_TASK)
def write_letter(action_id: str, until: str, site: str) -> None:
    emails.write(action_id, until, site)


@shared_task(name=alerts.ALERT_TASK, **emails.AS_TASK)
def alert_moderator(moderator_id: int, video_id: str, site: str, is_hidden: bool) -> None:
    alerts.write(moderator_id, video_id, site, is_hidden)


@shared_task(name=newcomers.TELL_TASK, **emails.AS_TASK)
def tell_of_newcomers(moderator_id: int, site: str) -> None:
    newcomers.write(moderator_id, site)


@shared_task(name=alerts.WAITING_TASK, **emails.AS_TASK)
def alert_moderator_of_waiting(moderator_id: int, video_id: str) -> None:
    alerts.write_of_waiting(moderator_id, video_id)
