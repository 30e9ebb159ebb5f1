"""Celery tasks of accounts on the `cpu` queue. The web processes send them by name."""

from celery import shared_task

from accounts import services
from accounts.joining import expiry
from accounts.security import events, sessions
from accounts.sign_in import mails


@shared_task(name=services.SETTLE_TASK, ignore_result=True)
def settle(user_id: int) -> None:
    """Settle an account, a large one in several messages, so that clips don't wait behind it."""
    if not services.settle(user_id):
        services.send_settle(user_id)


@shared_task(name="accounts.tasks.settle_left_over", ignore_result=True)
def settle_left_over() -> int:
    return services.settle_left_over()


@shared_task(name="accounts.tasks.end_suspensions", ignore_result=True)
def end_suspensions() -> int:
    return services.end_suspensions()


@shared_task(name="accounts.tasks.prune", ignore_result=True)
def prune() -> int:
    return events.prune() + sessions.prune() + expiry.end_of_undecided()  # last: what fails there keeps nothing else


@shared_task(
    name=mails.MAIL_TASK,
    ignore_result=True,
    autoretry_for=mails.MAIL_ERRORS,
    retry_backoff=30,
    retry_jitter=False,
    max_retries=5,  # after 30 seconds, 1, 2, 4 and 8 minutes
)
def send_mail(kind: str, what: str | int, site: str, language: str) -> None:
    mails.send(kind, what, site, language)
