"""`manage.py invite`."""

import io
from datetime import timedelta
from urllib.parse import urlsplit

import pytest
from django.core.management import CommandError, call_command
from django.urls import reverse
from django.utils import timezone

from accounts.joining.models import Invitation, Policy

pytestmark = pytest.mark.django_db


def invite(**options) -> str:
    printed = io.StringIO()
    call_command("invite", stdout=printed, **options)
    return printed.getvalue().strip()


def test_it_prints_nothing_but_a_link_that_works(client, rules):
    rules(Policy.INVITATION)
    link = urlsplit(invite())
    assert f"{link.scheme}://{link.netloc}" == "http://127.0.0.1:8000"
    assert client.get(link.path).url == reverse("account_signup")


def test_the_link_leads_to_the_sites_own_address(settings):
    settings.SITE_URL = "https://video.example.org"
    assert invite().startswith("https://video.example.org/join/")


def test_how_many_how_long_and_what_for():
    invite(uses=5, days=30, note="the club")
    made = Invitation.objects.get()
    assert (made.max_uses, made.note) == (5, "the club")
    assert timedelta(days=29) < made.expires_at - timezone.now() <= timedelta(days=30)


@pytest.mark.parametrize(
    ("options", "message"),
    [({"uses": 0}, "--uses"), ({"days": 0}, "--days"), ({"days": 10**9}, "--days"), ({"note": "x" * 201}, "--note")],
)
def test_what_makes_no_sense_is_refused(options, message):
    with pytest.raises(CommandError, match=message):
        invite(**options)
    assert not Invitation.objects.exists()


def test_a_closed_site_invites_nobody(rules):
    rules(Policy.CLOSED)
    with pytest.raises(CommandError, match="closed"):
        invite()
