"""security.txt has what RFC 9116 asks for, and exists only where somebody reads the reports."""

from datetime import datetime, timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from tests.auravideo.test_environment import start

PATH = "/.well-known/security.txt"


@pytest.fixture
def fields(client, settings):
    """Return a function that reads the fields of security.txt, under the given settings."""

    def read(**values: str) -> dict[str, str]:
        for name, value in values.items():
            setattr(settings, name, value)
        response = client.get(PATH)
        assert (response.status_code, response["Content-Type"]) == (200, "text/plain; charset=utf-8")
        return dict(line.split(": ", 1) for line in response.text.splitlines())

    return read


def test_there_is_none_without_a_contact(client, db):
    assert reverse("security-txt") == PATH
    assert client.get(PATH).status_code == 404


@pytest.mark.parametrize(
    ("contact", "uri"),
    [
        ("security@example.org", "mailto:security@example.org"),
        ("mailto:security@example.org", "mailto:security@example.org"),
        ("https://example.org/report", "https://example.org/report"),
    ],
)
def test_the_contact_is_an_address_that_programs_can_open(fields, contact, uri):
    assert fields(SECURITY_CONTACT=contact)["Contact"] == uri


def test_it_is_always_valid_and_for_less_than_a_year(fields):
    expires = datetime.fromisoformat(fields(SECURITY_CONTACT="security@example.org")["Expires"])
    assert timedelta(days=30) < expires - timezone.now() < timedelta(days=365)


def test_it_names_its_own_address_if_the_operator_does(fields):
    assert "Canonical" not in fields(SECURITY_CONTACT="security@example.org", SITE_URL="")
    named = fields(SECURITY_CONTACT="security@example.org", SITE_URL="https://video.example.org")
    assert named["Canonical"] == "https://video.example.org/.well-known/security.txt"


def test_it_names_the_languages_that_the_operator_reads(fields):
    assert fields(SECURITY_CONTACT="security@example.org")["Preferred-Languages"] == "en"
    both = fields(SECURITY_CONTACT="security@example.org", SECURITY_LANGUAGES="pl, en")
    assert both["Preferred-Languages"] == "pl, en"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SECURITY_CONTACT", "http://example.org/report"),
        ("SECURITY_CONTACT", "nobody"),
        ("SECURITY_CONTACT", "a@example.org\nExpires: never"),
        ("SECURITY_LANGUAGES", "English"),
    ],
)
def test_what_would_make_it_invalid_stops_the_start(tmp_path, name, value):
    done = start(tmp_path, **{name: value})
    assert done.returncode != 0
    assert f"{name} must look like" in done.stderr
