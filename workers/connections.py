"""Database connections of a worker: kept from task to task, and checked before each.

Celery closes them before and after every task. Opening one costs more than all other queries of a short stage: a new
process in PostgreSQL, and in SQLite a checkpoint when the last connection closes.
"""

from typing import Any

from celery import Task
from celery.signals import task_prerun
from django.db import close_old_connections, connections

KEPT_SECONDS = 60  # then the next task opens a new one, which also follows a server that has moved


def keep() -> None:
    """Let this process keep its connections. For a worker's child, which runs one task at a time."""
    for database in connections.settings.values():
        database["CONN_MAX_AGE"] = KEPT_SECONDS
        database["CONN_HEALTH_CHECKS"] = True


@task_prerun.connect
def _check(sender: Task, **_kwargs: Any) -> None:
    """Close connections that are too old; those that are kept are tried before their next query."""
    if not sender.request.is_eager:
        close_old_connections()
