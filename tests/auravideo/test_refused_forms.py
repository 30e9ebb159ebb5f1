"""A form that is refused says why: it came from another address, the cookie is missing, or it has expired."""

import pytest
from django.test import Client
from django.urls import reverse

pytestmark = pytest.mark.django_db
FORM = reverse("account_login")


@pytest.fixture
def checked():
    """Return a client whose forms are checked."""
    return Client(enforce_csrf_checks=True)


def sent(client, *, token: str = "", **headers: str):
    return client.post(FORM, {"login": "ada", "password": "x", "csrfmiddlewaretoken": token}, headers=headers)


def heading(response) -> str:
    assert response.status_code == 403
    return response.content.decode().partition("<h1>")[2].partition("</h1>")[0]


@pytest.mark.parametrize(
    "origin",
    ["https://evil.example", "http://testserver:81", "https://testserver", "null", "http://testserver.evil.example"],
)
def test_another_origin(checked, origin):
    checked.get(FORM)
    response = sent(checked, token=checked.cookies["csrftoken"].value, Origin=origin)
    assert heading(response) == "This form came from another address"
    page = response.content.decode()
    assert "http://testserver." in page and "SITE_URL" in page, "where it should come from, and what to set"


def test_another_referer_over_https(checked):
    checked.get(FORM, secure=True)
    token = checked.cookies["csrftoken"].value
    response = checked.post(
        FORM, {"csrfmiddlewaretoken": token}, secure=True, headers={"Referer": "https://evil.example/"}
    )
    assert heading(response) == "This form came from another address"


def test_a_missing_cookie(checked):
    response = sent(checked, Origin="http://testserver")
    assert heading(response) == "A cookie is missing"
    assert "SITE_URL" not in response.content.decode()


def test_an_expired_form(checked):
    checked.get(FORM)
    assert heading(sent(checked, token="x" * 64, Origin="http://testserver")) == "This form has expired"
    assert heading(sent(checked, Origin="http://testserver")) == "This form has expired"


def test_in_polish(checked):
    checked.get(FORM)
    headers = {"Origin": "https://evil.example", "Accept-Language": "pl"}
    assert heading(sent(checked, **headers)) == "Ten formularz przyszedł spod innego adresu"


def test_htmx_gets_the_sentence_alone(checked):
    checked.get(FORM)
    response = sent(checked, **{"Origin": "https://evil.example", "HX-Request": "true"})
    assert response.status_code == 403
    assert response["Content-Type"] == "text/plain; charset=utf-8"
    assert response.content.decode().startswith("This site takes forms only from its own pages, at http://testserver.")
