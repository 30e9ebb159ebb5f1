"""Every page's security promises: nothing inline, nothing from other sites, and headers that enforce it."""

import json
import os
import subprocess
import sys
from html.parser import HTMLParser

import pytest
from django.conf import settings
from django.test import Client, override_settings
from django.urls import reverse

from auravideo import security
from tests.addresses import addresses
from tests.persons import sign_in
from tests.sampling import every

FRAMED = {"gallery:embed", "gallery:shared-embed"}  # the embeddable players
SCRIPT_TYPES = {"", "text/javascript", "module", "application/javascript"}


class Inline(HTMLParser):
    """Collects what a strict Content-Security-Policy would block, and every URL of another site."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.tags = 0
        self._open_script = False
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list) -> None:
        self.tags += 1
        given = {name: value or "" for name, value in attrs}
        self.found += [f"<{tag} {name}>" for name in given if name == "style" or name.startswith("on")]
        self.found += [f"{value}" for value in given.values() if value.strip().lower().startswith("javascript:")]
        if tag == "style":
            self.found.append("<style>")
        self._open_script = tag == "script" and "src" not in given and given.get("type", "") in SCRIPT_TYPES
        loads = {"script": "src", "img": "src", "link": "href", "video": "src", "source": "src", "iframe": "src"}
        is_named_only = given.get("rel") in ("alternate", "canonical")  # these links load nothing
        address = "" if is_named_only else given.get(loads.get(tag, ""), "")
        if address.startswith(("http:", "https:", "//")):
            self.found.append(address)

    def handle_data(self, data: str) -> None:
        if self._open_script and data.strip():
            self.found.append(f"<script> {data.strip()[:60]}")
        self._open_script = False


def directives(response) -> dict[str, list[str]]:
    parts = [part.split() for part in response["Content-Security-Policy"].split(";") if part.strip()]
    return {name: values for name, *values in parts}


# Probes are answered before the headers are added, in JSON that no browser shows.
PAGES = [address for address in addresses() if address.name not in ("healthz", "healthz-live")]


class TestEveryPage:
    """A single class, so that its tests share one world."""

    @pytest.mark.parametrize("address", PAGES, ids=lambda address: address.name)
    @pytest.mark.parametrize("person", every(3, ["owner", "anonymous", "admin"]))
    def test_no_page_holds_anything_inline_and_every_answer_has_the_headers(self, client, world, address, person):
        if world.persons[person] is not None:
            sign_in(client, world.persons[person])
        response = client.get(address.path(world.values))
        policy = directives(response)
        assert policy["default-src"] == ["'none'"]
        assert policy["script-src"] == policy["style-src"] == ["'self'"]
        assert "unsafe" not in response["Content-Security-Policy"]
        assert response["X-Content-Type-Options"] == "nosniff"
        assert response["Referrer-Policy"] == "same-origin"
        assert "camera=()" in response["Permissions-Policy"]
        assert "bluetooth" not in response["Permissions-Policy"]  # Chromium warns of what it does not know
        if address.name in FRAMED:
            assert (policy["frame-ancestors"], response.get("X-Frame-Options")) == (["*"], None)
        else:
            assert (policy["frame-ancestors"], response["X-Frame-Options"]) == (["'none'"], "DENY")
        if response["Content-Type"].startswith("text/html") and not response.streaming and response.content:
            page = Inline(response.content.decode())
            assert page.tags > 10, "the page was not read"
            assert page.found == []


@pytest.mark.parametrize(
    ("html", "problem"),
    [
        ("<p style='color: red'>", "<p style>"),
        ("<a onclick='go()'>", "<a onclick>"),
        ("<style>p {}</style>", "<style>"),
        ("<script>go()</script>", "<script> go()"),
        ("<a href='javascript:go()'>", "javascript:go()"),
        ("<img src='https://example.org/x.png'>", "https://example.org/x.png"),
    ],
)
def test_the_search_finds_what_it_looks_for(html, problem):
    assert Inline(html).found == [problem]


def test_data_in_a_script_element_is_no_script():
    assert Inline('<script type="application/json">{"a": 1}</script>').found == []


def test_nothing_can_be_framed_based_or_sent_elsewhere(client, db):
    policy = directives(client.get(reverse("help")))
    for name in ("frame-ancestors", "base-uri", "object-src"):
        assert policy[name] == ["'none'"]
    for name in ("form-action", "connect-src", "font-src", "img-src", "media-src"):
        assert policy[name] == ["'self'"]


@override_settings(DEBUG=False)
def test_error_pages_have_the_headers_too(client, db, monkeypatch):
    client.raise_request_exception = False
    assert directives(client.get("/no-such-page/"))["script-src"] == ["'self'"]
    monkeypatch.setattr("auravideo.views.available.catalogue", lambda: 1 / 0)
    response = client.get(reverse("help"))
    assert response.status_code == 500
    assert directives(response)["script-src"] == ["'self'"]
    assert Inline(response.content.decode()).found == []


@pytest.mark.parametrize(
    ("endpoint", "bucket", "origins"),
    [
        ("", "", []),
        ("http://minio:9000", "", []),
        ("https://files.example.org:9000/path?x", "videos", ["https://files.example.org:9000"]),
        ("", "videos", ["https://s3.amazonaws.com", "https://s3.eu-central-1.amazonaws.com"]),
    ],
)
def test_videos_may_come_from_the_storage_that_signed_addresses_point_at(endpoint, bucket, origins):
    assert security.storage_origins(endpoint, bucket, "eu-central-1") == origins
    policy = security.content_security_policy(origins)["DIRECTIVES"]
    for name in ("img-src", "media-src"):
        assert set(origins) <= set(policy[name])
    assert not set(origins) & set(policy["script-src"])


def test_the_bucket_may_be_part_of_the_host_name():
    origins = security.storage_origins("https://s3.example.org", "videos", "eu-central-1", "virtual")
    assert origins == ["https://videos.s3.example.org"]
    assert security.storage_origins("", "videos", "eu-central-1", "virtual") == [
        "https://videos.s3.amazonaws.com",
        "https://videos.s3.eu-central-1.amazonaws.com",
    ]


def test_the_scripts_need_neither_eval_nor_inline_styles(client, db):
    page = client.get(reverse("help")).content.decode()
    assert '"includeIndicatorStyles": false' in page
    assert '"allowEval": false' in page


def test_cookies_are_out_of_reach_of_other_sites():
    for name in ("SESSION_COOKIE_SAMESITE", "CSRF_COOKIE_SAMESITE", "LANGUAGE_COOKIE_SAMESITE"):
        assert getattr(settings, name) == "Lax"
    assert settings.SESSION_COOKIE_HTTPONLY


HSTS = "Strict-Transport-Security"
READ = """
import json
from auravideo import settings
print(json.dumps([settings.SECURE_HSTS_SECONDS, settings.SECURE_PROXY_SSL_HEADER]))
"""


@pytest.mark.parametrize(
    ("environment", "header"),
    [
        ({"HTTPS": "True"}, "max-age=31536000"),
        ({"HTTPS": "True", "HSTS_SECONDS": "60"}, "max-age=60"),
        ({"HTTPS": "True", "HSTS_SECONDS": "0"}, None),
        ({"HTTPS": "False"}, None),
    ],
)
@pytest.mark.django_db
def test_browsers_are_told_to_insist_on_https_where_the_site_has_it(environment, header, tmp_path):
    environment = {"AURAVIDEO_HOME": str(tmp_path), "AURAVIDEO_ENV_FILE": os.devnull, **environment}
    command = [sys.executable, "-c", READ]
    done = subprocess.run(command, cwd=settings.BASE_DIR, env=environment, capture_output=True, text=True, check=True)
    seconds, proxy = json.loads(done.stdout)
    with override_settings(SECURE_HSTS_SECONDS=seconds, SECURE_PROXY_SSL_HEADER=proxy and tuple(proxy)):
        page = reverse("account_login")
        assert Client().get(page, headers={"X-Forwarded-Proto": "https"}).get(HSTS) == header
        assert HSTS not in Client().get(page).headers
