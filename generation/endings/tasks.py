"""The Celery task of these messages, on the queue `cpu`. Sent by name."""

from celery import shared_task

from accounts.push.sending import Unreachable
from generation.endings import services


@shared_task(
    name=services.DELIVER_TASK,
    ignore_result=True,
    autoretry_for=(Unreachable,),
    retry_backoff=30,
    retry_jitter=False,
    max_retries=3,  # after 30 seconds, 1 and 2 minutes
)
def deliver(subscription_id: int, job_id: str) -> None:
    """Tell one browser, so that clips in the same queue get their turn between two of them."""
    services.deliver(subscription_id, job_id)
