"""Messages are sent after commit or not at all, and an unreachable broker is logged without further harm."""

import json
import logging
from functools import partial
from threading import Thread

import pytest
from django.db import transaction

from auravideo.celery import app
from auravideo.core import publish
from generation.queue import broker

pytestmark = pytest.mark.django_db(transaction=True)

TASK = "accounts.tasks.settle"


def waiting(queue: str = "cpu") -> list[dict]:
    """Return the messages of a queue; the first one is delivered last."""
    return [json.loads(raw) for raw in broker.connection().lrange(queue, 0, -1)]


send = partial(publish.send_task, TASK, 7)


@pytest.fixture
def broker_down(monkeypatch):
    """Publish to a port where nothing listens."""
    with app.connection_for_write("redis://127.0.0.1:1/0", transport_options={"socket_connect_timeout": 1}) as nowhere:

        def send_nowhere():
            app.send_task(TASK, args=(7,), queue="cpu", connection=nowhere, retry=False)

        yield send_nowhere


def test_a_message_names_its_task_and_carries_its_arguments():
    assert publish.attempt(send, "it")
    (message,) = waiting()
    assert message["headers"]["task"] == TASK
    assert message["headers"]["ignore_result"] is True
    assert message["headers"]["argsrepr"] == "(7,)"


def test_a_message_goes_to_the_queue_that_is_named():
    publish.send_task("workers.tasks.generate", queue="generate")
    assert (len(waiting("generate")), len(waiting())) == (1, 0)


def test_nothing_is_sent_before_the_commit():
    with transaction.atomic():
        publish.attempt_on_commit(send, "it")
        assert waiting() == []
    assert len(waiting()) == 1


def test_nothing_is_sent_after_a_rollback():
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        publish.attempt_on_commit(send, "it")
        raise ZeroDivisionError
    assert waiting() == []


def test_a_broker_that_is_down_is_logged_and_raises_nothing(broker_down, caplog):
    caplog.set_level(logging.WARNING)
    assert not publish.attempt(broker_down, "the message of job 5")
    assert "so the message of job 5 could not be sent" in caplog.text


def test_a_broker_that_is_down_does_not_undo_the_transaction(broker_down, user):
    with transaction.atomic():
        publish.attempt_on_commit(broker_down, "it")
        user.full_name = "Ada"
        user.save()
    user.refresh_from_db()
    assert user.full_name == "Ada"


def test_a_defect_is_not_taken_for_a_broker_that_is_down():
    with pytest.raises(ZeroDivisionError):
        publish.attempt(lambda: 1 / 0, "it")


def test_robust_keeps_even_a_defect_from_the_caller(caplog):
    with transaction.atomic():
        publish.attempt_on_commit(lambda: 1 / 0, "it", robust=True)
    assert "ZeroDivisionError" in caplog.text


def test_every_thread_sends_through_our_broker():
    """Celery's current app is per thread, and pages are served by threads that did not import the app."""
    thread = Thread(target=publish.attempt, args=(send, "it"))
    thread.start()
    thread.join()
    assert len(waiting()) == 1
