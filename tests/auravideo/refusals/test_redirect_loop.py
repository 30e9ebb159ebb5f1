"""Behind a proxy that does not say that it terminates TLS, people read what is wrong instead of going in circles."""

import logging

import pytest
from django.test import Client

from auravideo.core.logs.once import OnceAMinute
from auravideo.refusals import redirect_loop
from tests.html_forms import texts_of

ENCRYPTED = {"X-Forwarded-Proto": "https"}


@pytest.fixture
def site(settings, monkeypatch):
    """A site that is reached at https://, with a browser that has been nowhere yet."""
    settings.SECURE_SSL_REDIRECT, settings.SECURE_PROXY_SSL_HEADER = True, ("HTTP_X_FORWARDED_PROTO", "https")
    monkeypatch.setattr(redirect_loop, "_told", OnceAMinute(logging.getLogger(redirect_loop.__name__)))
    return Client(headers={"Accept-Language": "en"})


def go_in_circles(site) -> None:
    for _ in range(redirect_loop.MOST_SENT):
        sent = site.get("/help/?a=1")
        assert (sent.status_code, sent["Location"]) == (301, "https://testserver/help/?a=1")
        assert sent["Cache-Control"] == "no-store"


def test_a_loop_ends_with_a_page_that_names_the_header(site, db, caplog):
    go_in_circles(site)
    for _ in range(3):
        again = site.get("/help/?a=1")
    assert again.status_code == 500
    assert texts_of(again.content.decode(), "failure__code") == ["500"]
    assert "X-Forwarded-Proto" in again.content.decode()
    (record,) = [record for record in caplog.records if record.name == redirect_loop.__name__]
    assert "testserver was sent on to HTTPS and came back without it" in record.getMessage()
    assert "X-Forwarded-Proto" in record.getMessage()


def test_it_speaks_the_visitors_language(site, db):
    go_in_circles(site)
    assert "szyfrowane" in site.get("/help/", headers={"Accept-Language": "pl"}).content.decode()


def test_whoever_clicks_twice_before_https_has_answered_is_in_no_loop(site, db):
    """Nor who opens several pages at once: each comes without TLS, and is sent on."""
    assert [site.get("/help/").status_code for _ in range(3)] == [301, 301, 301]
    assert site.get("/help/", headers=ENCRYPTED).status_code == 200
    assert redirect_loop.COOKIE not in {name for name, cookie in site.cookies.items() if cookie.value}


@pytest.mark.parametrize("value", ["-7", "6", "99999999999", "x"])
def test_a_cookie_that_the_site_did_not_set_counts_for_nothing(site, db, value):
    site.cookies[redirect_loop.COOKIE] = value
    assert site.get("/help/").status_code == 301


def test_whoever_arrives_at_https_may_be_sent_on_again(site, db):
    assert site.get("/help/").status_code == 301
    assert site.get("/help/", headers=ENCRYPTED).status_code == 200
    assert site.get("/help/").status_code == 301


def test_a_site_without_https_sets_no_cookie(client, db, settings):
    settings.SECURE_SSL_REDIRECT = False
    assert redirect_loop.COOKIE not in client.get("/help/").cookies
