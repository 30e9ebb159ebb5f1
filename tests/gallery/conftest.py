"""Fixtures shared by the gallery tests."""

import pytest
from django.utils import timezone

from generation.domain.states import Status
from generation.jobs.activity import panel_of
from generation.queue import estimates
from tests.factories import JobFactory


@pytest.fixture
def busy(user):
    """Give the user queued, running and finished clips, so that the panel on every page costs as much as it can.

    Also warms the estimate of stage durations, as a worker or an earlier page would have done.
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
