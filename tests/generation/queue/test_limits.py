"""The limit on a user's active clips holds, even under concurrent requests."""

import threading

import pytest
from django.db import connection

from generation.models import Job
from generation.queue import services
from tests.factories import JobFactory, UserFactory


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite has one writer at a time")
def test_requests_at_the_same_time_do_not_get_past_the_limit(settings, monkeypatch):
    settings.MAX_ACTIVE_JOBS = 3
    user, request = UserFactory(), JobFactory().render_request
    refused, together = [], threading.Barrier(8)

    def submit() -> None:
        together.wait(10)
        try:
            services.submit(user, request)
        except services.TooManyJobs:
            refused.append(1)
        finally:
            connection.close()

    threads = [threading.Thread(target=submit) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(Job.objects.filter(user=user).values_list("priority", flat=True)) == [0, 1, 2]
    assert len(refused) == 5
