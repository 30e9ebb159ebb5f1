"""/metrics: who may read it, and that what happens on the site shows."""

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import connection
from django.test import AsyncClient
from django.test.utils import CaptureQueriesContext

from auravideo import environment
from auravideo.core.metrics import totals
from generation.queue import services
from generation.requests.request import RenderRequest
from tests.factories import JobFactory, a_request
from tests.rigs.metrics import samples

TOKEN = "a-token-that-is-long-enough-for-us"


@pytest.fixture
def token(settings):
    settings.METRICS_TOKEN = TOKEN
    return TOKEN


@pytest.fixture
def scrape(client, token, db):
    """Return a function that reads /metrics."""
    totals.ship()
    totals.client().delete(totals.KEY)

    def read() -> dict[tuple, float]:
        totals.ship()
        response = client.get("/metrics", headers={"Authorization": f"Bearer {token}"})
        assert response.status_code == 200
        return samples(response.content.decode())

    return read


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer ", f"Bearer {TOKEN}x", f"Basic {TOKEN}", TOKEN, "Bearer é"])
def test_without_the_token_there_is_no_page(client, token, header, db):
    assert client.get("/metrics", headers={"Authorization": header}).status_code == 404


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer "])
def test_without_a_token_set_there_is_no_page_for_anyone(client, header, settings, db):
    assert settings.METRICS_TOKEN == ""
    assert client.get("/metrics", headers={"Authorization": header}).status_code == 404


def test_with_the_token_the_page_is_prometheus_text(client, token, db):
    response = client.get("/metrics", headers={"Authorization": f"bearer {token}"})
    assert response["Content-Type"].startswith("text/plain; version=")
    assert response["Cache-Control"] == "no-store"
    assert b"# TYPE auravideo_jobs gauge" in response.content


def test_prometheus_may_ask_for_open_metrics(client, token, db):
    accept = "application/openmetrics-text;version=1.0.0"
    response = client.get("/metrics", headers={"Authorization": f"Bearer {token}", "Accept": accept})
    assert response["Content-Type"].startswith("application/openmetrics-text")
    assert response.content.endswith(b"# EOF\n")


def test_only_get_and_head(client, token, db):
    header = {"Authorization": f"Bearer {token}"}
    assert client.head("/metrics", headers=header).status_code == 200
    assert client.post("/metrics", headers=header).status_code == 404


def test_prometheus_may_ask_by_any_name(client, token, db):
    """In a network of containers, the web process is called `web`."""
    header = {"Authorization": f"Bearer {token}", "Host": "web:8000"}
    assert client.get("/metrics", headers=header).status_code == 200
    assert client.get("/help/", headers=header).status_code == 400


async def test_the_page_under_asgi(token, transactional_db):
    """Daphne runs the middleware asynchronously."""
    client = AsyncClient()
    assert (await client.get("/metrics", headers={"Authorization": f"Bearer {token}"})).status_code == 200
    assert (await client.get("/metrics")).status_code == 404


def test_failures_start_from_zero(scrape):
    found = scrape()
    assert found["auravideo_jobs_ended_total", "state=failed"] == 0
    assert found["auravideo_jobs_failed_total", "error=out-of-memory"] == 0
    assert found["auravideo_stage_attempts_total", "outcome=lost", "stage=generate"] == 0
    assert found["auravideo_out_of_memory_total", "engine=upscaling"] == 0
    assert found["auravideo_storage_errors_total", "direction=write", "storage=frames"] == 0


def test_requests_are_counted_by_the_name_of_their_url(scrape, client, signed_in):
    for path in ("/jobs/", "/jobs/", "/no/such/page", "/static/no-such-file.css"):
        client.get(path)
    client.generic("BREW", "/help/")
    found = scrape()
    assert found["auravideo_http_requests_total", "method=GET", "status=200", "view=generation:jobs"] == 2
    assert found["auravideo_http_request_seconds_count", "view=generation:jobs"] == 2
    assert found["auravideo_http_requests_total", "method=GET", "status=404", "view=none"] == 1
    assert found["auravideo_http_requests_total", "method=GET", "status=404", "view=static"] == 1
    assert found["auravideo_http_requests_total", "method=other", "status=405", "view=help"] == 1


def test_a_job_is_counted_once_it_is_committed(scrape, user, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        job = services.submit(user, RenderRequest.from_dict(a_request()))
    assert scrape()["auravideo_jobs_submitted_total",] == 1
    with django_capture_on_commit_callbacks(execute=True):
        services.cancel(job)
    found = scrape()
    assert found["auravideo_jobs_ended_total", "state=cancelled"] == 1
    assert found["auravideo_jobs", "state=queued"] == 0


def test_a_scrape_takes_four_queries(client, token, user):
    JobFactory.create_batch(5, user=user)
    with CaptureQueriesContext(connection) as queries:
        client.get("/metrics", headers={"Authorization": f"Bearer {token}"})
    assert len(queries) == 4, [query["sql"] for query in queries]


def test_a_part_that_is_down_says_so_and_leaves_the_rest(client, token, db, settings):
    settings.REDIS_METRICS_URL = "redis://127.0.0.1:1/0"
    totals.client.cache_clear()
    response = client.get("/metrics", headers={"Authorization": f"Bearer {token}"})
    totals.client.cache_clear()
    assert response.status_code == 200
    found = samples(response.content.decode())
    assert found["auravideo_up", "part=metrics"] == 0
    assert found["auravideo_up", "part=database"] == found["auravideo_up", "part=broker"] == 1
    assert ("auravideo_jobs", "state=queued") in found


def test_a_token_that_could_be_guessed_stops_the_start(monkeypatch):
    monkeypatch.setenv("METRICS_TOKEN", "secret")
    with pytest.raises(ImproperlyConfigured, match="METRICS_TOKEN needs at least 24 characters") as caught:
        environment.unguessable("METRICS_TOKEN", environment.secret("METRICS_TOKEN"))
    assert "'secret'" not in str(caught.value)
