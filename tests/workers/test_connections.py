"""A worker's child keeps its database connection between tasks, and replaces one that broke."""

import pytest
from celery.signals import task_prerun
from django.db import connection

from accounts.models import User
from workers import connections, tasks

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(
        connection.vendor != "postgresql", reason="the tests' SQLite database is in memory: never closed"
    ),
]


@pytest.fixture(autouse=True)
def _kept(monkeypatch):
    """Keep connections in this test only; one opened before does not know that it is kept."""
    connection.close()
    for name in ("CONN_MAX_AGE", "CONN_HEALTH_CHECKS"):
        monkeypatch.setitem(connection.settings_dict, name, connection.settings_dict[name])
    yield
    monkeypatch.undo()
    connection.close()
    connection.health_check_enabled = False


def begin_task() -> None:
    task_prerun.send(sender=tasks.prune, task_id="1")


def test_a_connection_lasts_for_many_tasks():
    connections.keep()
    used = set()
    for _ in range(3):
        begin_task()
        User.objects.exists()
        used.add(id(connection.connection))
    assert len(used) == 1


def test_one_that_the_server_closed_is_replaced_before_the_next_task():
    connections.keep()
    begin_task()
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        (old,) = cursor.fetchone()
    import psycopg

    parameters = {
        key: value
        for key, value in connection.get_connection_params().items()
        if key in ("host", "user", "port", "dbname")
    }
    with psycopg.connect(**parameters) as other:
        other.execute("SELECT pg_terminate_backend(%s)", [old])
    begin_task()
    assert User.objects.count() == 0


def test_one_that_is_too_old_is_replaced(monkeypatch):
    monkeypatch.setattr(connections, "KEPT_SECONDS", 0)
    connections.keep()
    begin_task()
    User.objects.exists()
    opened = connection.connection
    begin_task()
    User.objects.exists()
    assert connection.connection is not opened
