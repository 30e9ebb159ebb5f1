"""Sends the messages, on the queue `cpu`: no page and no card waits for a push service, and no clip fails with one."""

from functools import partial
from uuid import UUID

from accounts.models import PushSubscription
from accounts.push import sending
from accounts.push.services import of
from auravideo.core import publish
from generation.domain.states import ACTIVE, NEWS
from generation.endings.messages import message_about
from generation.models import Job

DELIVER_TASK = "generation.endings.tasks.deliver"


def announce(job: Job) -> None:
    """Have the browsers of a job's owner told that it has ended: one message for each, when all of a batch has."""
    subscriptions = list(of(job.user_id).values_list("pk", flat=True))
    if not subscriptions or _others_are_active(job):
        return
    for pk in subscriptions:
        send = partial(publish.send_task, DELIVER_TASK, pk, str(job.pk))
        publish.attempt(send, f"the message about job {job.pk}")


def deliver(subscription_id: int, job_id: UUID | str) -> bool:
    """Tell one browser about a job, unless there is no need any more. Return whether a message was sent.

    Raises:
        sending.Unreachable: worth another attempt.
    """
    subscription = PushSubscription.objects.select_related("user").filter(pk=subscription_id).first()
    job = Job.objects.select_related("batch", "video").filter(pk=job_id, status__in=NEWS).first()
    if subscription is None or job is None or job.user_id != subscription.user_id:
        return False
    if not subscription.user.is_active or job.seen_at or job.removed_at:
        return False
    message = message_about(job, subscription.user.language or subscription.language)
    return message is not None and sending.send(subscription, message)


def _others_are_active(job: Job) -> bool:
    return job.batch_id is not None and Job.objects.filter(batch=job.batch_id, status__in=ACTIVE).exists()
