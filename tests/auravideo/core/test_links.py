"""Links in emails and on pages lead to the site's own address, whatever `Host` a client sends."""

import re

import pytest
from django.core import mail
from django.test import Client, RequestFactory
from django.urls import reverse
from django.utils import timezone

from auravideo.core.addresses import links
from gallery.sharing.places import Place
from tests.factories import PASSWORD, UserFactory, VideoFactory

HOST = "video.example.org"


@pytest.fixture
def public(settings):
    """A site with a public name that does not know its address."""
    settings.ALLOWED_HOSTS, settings.PORT = [HOST, "localhost", "127.0.0.1"], 8000
    return settings


def origin(host: str, **options) -> str:
    return links.origin(RequestFactory().get("/", headers={"Host": host}, **options))


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        (HOST, f"http://{HOST}"),
        (f"{HOST}:8000", f"http://{HOST}:8000"),
        (f"{HOST}:80", f"http://{HOST}:80"),
        (f"{HOST}:1234", f"http://{HOST}:8000"),
        (f"{HOST}:443", f"http://{HOST}:8000"),
        ("localhost:9000", "http://localhost:9000"),
    ],
)
def test_without_an_address_links_follow_the_host_but_to_no_port_of_another_program(public, host, expected):
    assert origin(host) == expected


def test_with_https_an_unknown_port_is_left_out(public):
    assert origin(f"{HOST}:1234", secure=True) == f"https://{HOST}"


def test_the_address_wins(public):
    public.SITE_URL = f"https://{HOST}"
    public.CSRF_TRUSTED_ORIGINS = ["https://other.example.org"]
    assert {origin(host) for host in (HOST, f"{HOST}:1234", "localhost:8000")} == {f"https://{HOST}"}


def test_without_it_the_trusted_origins_say_where_links_lead(public):
    public.ALLOWED_HOSTS += ["two.example.org"]
    public.CSRF_TRUSTED_ORIGINS = ["https://*.example.org", f"https://{HOST}", "http://two.example.org"]
    assert origin("two.example.org") == "http://two.example.org"
    assert origin("two.example.org:1234") == origin("localhost") == f"https://{HOST}"


def reset_link(host: str) -> str:
    """Return the base of the link that somebody gets who asks once; a second email a minute is not sent."""
    user = UserFactory()
    Client(headers={"Host": host}).post(reverse("account_reset_password"), {"email": user.email})
    letter = mail.outbox.pop()
    assert "1234" not in letter.body
    name = re.search(r"AuraVideo, at (\S+)", letter.body)[1]
    assert f"//{name}/accounts/" in letter.body
    return re.search(r"(\S+)/accounts/password/reset/key/", letter.body)[1]


@pytest.mark.django_db
@pytest.mark.usefixtures("mails_at_once")
def test_a_password_is_reset_at_the_sites_own_address(public):
    assert reset_link(f"{HOST}:1234") == f"http://{HOST}:8000"
    public.SITE_URL = f"https://{HOST}:8443"
    assert reset_link(HOST) == f"https://{HOST}:8443"
    assert reset_link("localhost:8000") == f"https://{HOST}:8443"


@pytest.mark.django_db
@pytest.mark.usefixtures("mails_at_once")
def test_emails_about_addresses_lead_to_the_sites_own(public):
    public.SITE_URL, public.ACCOUNT_EMAIL_VERIFICATION = f"https://{HOST}", "mandatory"
    form = {"username": "ada", "email": "ada@example.com", "password1": PASSWORD, "password2": PASSWORD}
    Client(headers={"Host": f"{HOST}:1234"}).post(reverse("account_signup"), form)
    (letter,) = mail.outbox
    assert f"https://{HOST}/accounts/confirm-email/" in letter.body and "1234" not in letter.body


@pytest.mark.django_db
def test_tags_for_other_sites_and_their_answer_have_the_sites_own_address(public):
    video = VideoFactory(visibility="public", published_at=timezone.now())
    public.SITE_URL = f"https://{HOST}"
    client = Client(headers={"Host": "localhost:8000"})
    page = client.get(Place.of(video).page).content.decode()
    found = re.findall(r'(?:property|name)="(?:og|twitter):(?:url|image|player|video)" content="([^"]+)"', page)
    assert len(found) > 3 and all(link.startswith(f"https://{HOST}/") for link in found)
    asked = {"url": f"https://{HOST}{Place.of(video).page}"}
    answer = client.get(reverse("gallery:oembed"), asked).json()
    assert answer["provider_url"] == f"https://{HOST}/" and f'src="https://{HOST}/' in answer["html"]
    for host in ("localhost:8000", "evil.example.org", f"{HOST}:1234"):
        asked = {"url": f"https://{host}{Place.of(video).page}"}
        status = client.get(reverse("gallery:oembed"), asked).status_code
        assert status == (200 if host == "localhost:8000" else 404), host


def test_links_without_a_request_use_the_address(public):
    assert links.public_origin() == ""
    public.SITE_URL = f"https://{HOST}"
    assert links.public_origin() == f"https://{HOST}"
