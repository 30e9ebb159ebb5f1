"""A database or a Redis that does not answer is an outage, which passes, and no fault of ours."""

import pytest
import redis
from django.contrib.auth import get_user
from django.db import InterfaceError, OperationalError
from django.urls import reverse
from django.utils.functional import SimpleLazyObject

from auravideo import views
from auravideo.refusals import unavailable
from tests.factories import PASSWORD

pytestmark = pytest.mark.django_db


@pytest.fixture
def get(client, monkeypatch):
    """Return a function that opens a page which raises an error."""
    client.raise_request_exception = False

    def get(error, **headers):
        def fail(*_arguments, **_named):
            raise error

        monkeypatch.setattr(views, "render", fail)
        return client.get("/help/", headers=headers)

    return get


@pytest.mark.parametrize("error", [OperationalError("connection refused"), InterfaceError("connection already closed")])
def test_a_page_says_that_the_database_is_away_and_when_to_come_back(get, error):
    answer = get(error)
    assert (answer.status_code, answer["Retry-After"]) == (503, "10")
    assert "Its database does not answer" in answer.content.decode()


def test_the_page_that_says_so_asks_nothing_of_the_database(rf):
    def away():
        raise OperationalError("connection refused")

    request = rf.get("/help/")
    request.user = SimpleLazyObject(away)
    try:
        away()
    except OperationalError:
        assert unavailable.server_error(request).status_code == 503


def test_htmx_gets_a_sentence(get):
    answer = get(OperationalError("connection refused"), HX_Request="true")
    assert (answer.status_code, answer["Content-Type"]) == (503, "text/plain; charset=utf-8")


@pytest.fixture
def no_redis(settings, tmp_path):
    """Let nothing answer where the cache is."""
    settings.CACHES = {"default": {**settings.CACHES["default"], "LOCATION": f"unix://{tmp_path}/none.sock?db=0"}}


@pytest.mark.usefixtures("no_redis")
@pytest.mark.parametrize("limits", [{"login": None}, {}], ids=["our counts", "the library's"])
def test_who_signs_in_without_redis_reads_when_to_come_back(client, user, settings, limits):
    """Guesses cannot be counted then, so nobody gets in."""
    settings.ACCOUNT_RATE_LIMITS = {**settings.ACCOUNT_RATE_LIMITS, **limits}
    client.raise_request_exception = False
    answer = client.post(reverse("account_login"), {"login": user.username, "password": PASSWORD})
    assert (answer.status_code, answer["Retry-After"]) == (503, "10")
    assert "A part of it does not answer" in answer.content.decode()
    assert not get_user(client).is_authenticated


@pytest.mark.parametrize("error", [redis.ConnectionError("refused"), redis.BusyLoadingError(), redis.TimeoutError()])
def test_htmx_gets_a_sentence_about_redis(get, error):
    answer = get(error, HX_Request="true")
    assert (answer.status_code, answer["Content-Type"]) == (503, "text/plain; charset=utf-8")
    assert answer.content.decode().startswith("A part of this site does not answer")


@pytest.mark.parametrize(
    "error", [OperationalError("no such table: job"), redis.ResponseError("no script"), ZeroDivisionError("a bug")]
)
def test_anything_else_is_our_fault(get, error):
    answer = get(error)
    assert answer.status_code == 500
    assert "Something went wrong on our side" in answer.content.decode()
