"""What the tests of the gallery share."""

import pytest
from django.utils import timezone

from generation.domain.states import Status
from generation.jobs.activity import panel_of
from generation.queue import estimates
from tests.factories import JobFactory


@pytest.fixture
def busy(user):
    """The person's clips wait, are rendered, and have ended: the panel of every page costs what it can.

    How long stages take has been noted by a worker, or by the first page that wanted to know.
    """
    now = timezone.now()
    for _ in range(5):
        job = JobFactory(user=user, status=Status.RUNNING)
        job.stage_runs.create(run=1, stage="generate", worker="w", started_at=now, heartbeat_at=now, output={})
        JobFactory(user=user)
        JobFactory(user=user, status=Status.DONE, ended_at=now)
    panel_of(user)
    estimates._rate.cache_clear()
    return user
