"""RabbitMQ as the broker: what our own code asks it. `make test-rabbitmq` starts one and runs these."""

import os
import time
from datetime import timedelta

import pytest
from django.utils import timezone
from kombu.exceptions import OperationalError

from auravideo.celery import app
from generation.domain.states import Stage
from generation.models import Job
from generation.queue import broker, claims, rabbitmq, recovery, sending, services
from generation.requests import available
from generation.requests.request import parse

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif("TEST_BROKER_URL" not in os.environ, reason="`make test-rabbitmq` starts a RabbitMQ"),
]


@pytest.fixture(autouse=True)
def _empty_queues():
    with app.connection_for_write() as connection:
        rabbitmq.depths()
        for name in app.amqp.queues:
            connection.default_channel.queue_purge(name)


@pytest.fixture
def job(user):
    return services.submit(user, parse({"prompt": "a star"}, available.catalogue(), available.limits()))


def until_depth(queue: str, count: int) -> None:
    """Quorum queues count a message some milliseconds after it was confirmed."""
    deadline = time.monotonic() + 10
    while broker.depths()[queue] != count:
        assert time.monotonic() < deadline, broker.depths()
        time.sleep(0.05)


def quiet_for(seconds: float) -> None:
    Job.objects.update(touched_at=timezone.now() - timedelta(seconds=seconds))


def test_it_answers():
    broker.ping()


def test_a_broker_that_is_not_there_is_noticed_soon(monkeypatch):
    monkeypatch.setattr(app.conf, "broker_read_url", "amqp://127.0.0.1:1//")
    before = time.monotonic()
    with pytest.raises(OperationalError):
        rabbitmq.ping()
    assert time.monotonic() - before < 5


def test_a_submitted_job_has_its_message_in_a_replicated_queue(job):
    until_depth("cpu", 1)
    with app.connection_for_write() as connection, connection.SimpleQueue(app.amqp.queues["cpu"]) as queue:
        message = queue.get(timeout=10)
        assert message.headers["task"] == "workers.tasks.preprocess"
        assert job.pk.hex in message.headers["argsrepr"].replace("-", "")
        message.ack()
    until_depth("cpu", 0)


def test_the_first_to_be_served_has_the_highest_priority_of_rabbitmq():
    ours = list(range(sending.MAX_PRIORITY + 1))
    assert sorted(ours, key=rabbitmq.wire_priority, reverse=True) == ours
    assert rabbitmq.wire_priority(0) == 9


def test_a_job_whose_message_waits_is_left_alone(job):
    until_depth("cpu", 1)
    quiet_for(3600)
    assert recovery.requeue_lost() == 0


def test_a_job_whose_message_is_gone_is_sent_again(job):
    until_depth("cpu", 1)
    with app.connection_for_write() as connection:
        connection.default_channel.queue_purge("cpu")
    quiet_for(broker.HELD_SECONDS / 2)
    assert recovery.requeue_lost() == 0, "a busy worker may hold it"
    quiet_for(broker.HELD_SECONDS + 1)
    assert recovery.requeue_lost() == 1
    until_depth("cpu", 1)


def test_only_the_queues_of_the_jobs_own_stages_count(job):
    claims.finish(claims.claim(job.pk, 1, Stage.PREPROCESS, 0, "worker"), {})
    app.send_task("workers.tasks.generate", args=("x", 1, 0), queue="generate-24gb", priority=9)
    until_depth("generate", 1)
    quiet_for(broker.HELD_SECONDS + 1)
    assert recovery.requeue_lost() == 0
