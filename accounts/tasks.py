"""Celery tasks of accounts on the `cpu` queue. The web processes send them by name."""

from celery import shared_task

from accounts import services


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
