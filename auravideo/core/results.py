"""The result backend, which only counts a chord's finished tasks. Nothing in this project waits for a task's result."""

from celery.backends.redis import RedisBackend


class ResultBackend(RedisBackend):
    """Celery's Redis backend without result subscriptions.

    Celery subscribes the publishing process to the result of every task in a group, never unsubscribes, and blocks for
    20 seconds if Redis is down. A web process can afford neither.
    """

    def add_pending_result(self, result, weak=False, start_drainer=True):
        return result
