"""A database that does not answer is an outage, which passes, and no fault of ours."""

import pytest
from django.db import InterfaceError, OperationalError
from django.utils.functional import SimpleLazyObject

from auravideo import views
from auravideo.refusals import unavailable

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


@pytest.mark.parametrize("error", [OperationalError("no such table: job"), ZeroDivisionError("a bug")])
def test_anything_else_is_our_fault(get, error):
    answer = get(error)
    assert answer.status_code == 500
    assert "Something went wrong on our side" in answer.content.decode()
