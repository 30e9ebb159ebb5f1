"""The limit on queued clips per user holds under concurrent requests."""

import pytest
from django.db import connection

from generation.models import Job
from generation.queue import services
from generation.quotas.refusals import TooManyJobs
from tests.factories import JobFactory, UserFactory
from tests.races import all_at_once


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite has one writer at a time")
def test_requests_at_the_same_time_do_not_get_past_the_limit(settings, monkeypatch):
    settings.MAX_ACTIVE_JOBS = 3
    user, request = UserFactory(), JobFactory().render_request
    refused = []

    def submit() -> None:
        try:
            services.submit(user, request)
        except TooManyJobs:
            refused.append(1)

    all_at_once(submit, 8)
    assert sorted(Job.objects.filter(user=user).values_list("priority", flat=True)) == [0, 1, 2]
    assert len(refused) == 5
