"""The result backend, which only counts a chord's finished tasks. Nothing in this project waits for a task's result."""

from celery.backends.redis import RedisBackend


class ResultBackend(RedisBackend):
    """Celery's Redis backend without result subscriptions.

    Celery subscribes the publishing process to the result of every task that it sends by name or in a group, and blocks
    for 20 seconds if Redis is down. A web process can afford neither, and the scheduler, which imports no task, does
    not even know that nobody waits.
    """

    def on_task_call(self, producer, task_id):
        pass

    def add_pending_result(self, result, weak=False, start_drainer=True):
        return result
