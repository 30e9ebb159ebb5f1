"""What every worker process starts with, however it is started."""

import os
import subprocess
import sys
from functools import partial
from uuid import UUID

import pytest

from auravideo.celery import app
from auravideo.core import publish
from generation.domain.plan import plan
from generation.queue import broker, canvas
from generation.requests import available
from generation.requests.request import parse

PRINT = "import auravideo.celery, os; print(os.environ['OMP_WAIT_POLICY'])"


def policy(**environment):
    clean = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"}
    done = subprocess.run(
        [sys.executable, "-c", PRINT], env={**clean, **environment}, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def test_threads_that_wait_leave_the_processor_to_others():
    assert policy() == "PASSIVE"


def test_an_operator_may_decide_otherwise():
    assert policy(OMP_WAIT_POLICY="ACTIVE") == "ACTIVE"


@pytest.mark.parametrize(
    "send",
    [
        partial(canvas.send_discard, UUID(int=7)),
        lambda: canvas.send(UUID(int=7), 1, 0, planned()),
        partial(publish.send_task, "gallery.tasks.purge_trash"),
        partial(app.send_task, "workers.tasks.discard", queue="cpu"),
    ],
    ids=["discard", "clip", "publish", "by name"],
)
def test_nobody_waits_for_the_result_of_a_message(send):
    """Celery would subscribe to it, and wait for 20 seconds for a Redis that is down."""
    before = subscriptions()
    send()
    assert subscriptions() == before


def planned():
    request = parse({"prompt": "a star", "seconds": 2, "fps": 24}, available.catalogue(), available.limits())
    return plan(request, available.catalogue().models[request.model])


def subscriptions() -> int:
    """Return how often somebody has subscribed to a channel, since Redis started."""
    return broker.connection().info("commandstats").get("cmdstat_subscribe", {}).get("calls", 0)
