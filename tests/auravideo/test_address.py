"""SITE_URL, and what goes with it: what is read, and what is refused with one line that says what to write instead."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from auravideo import address, environment
from tests.sampling import every

ROOT = Path(__file__).resolve().parents[2]
HOSTS = ["localhost", "127.0.0.1"]
OWN = address.Address("https", "video.example.org")


@pytest.fixture
def read(monkeypatch):
    """Return a function that reads a value of the variable A."""

    def read(reader, value, *arguments):
        monkeypatch.setenv("A", value)
        return reader("A", *arguments)

    return read


@pytest.mark.parametrize(
    ("value", "origin"),
    [
        ("https://video.example.org", "https://video.example.org"),
        ("https://Video.Example.org/", "https://video.example.org"),
        ("https://video.example.org:443", "https://video.example.org"),
        ("http://192.168.1.20:9000", "http://192.168.1.20:9000"),
        ("http://[2001:DB8::1]:80/", "http://[2001:db8::1]"),
        ("http://localhost:8000", "http://localhost:8000"),
        ("https://xn--ubr-22a.example", "https://xn--ubr-22a.example"),
    ],
)
def test_an_address_is_read_as_browsers_write_it(read, value, origin):
    assert read(address.site, value).origin == origin


def test_without_an_address_there_is_none(read):
    assert read(address.site, "") is None
    assert read(address.origins, "", None) == []
    assert read(address.hosts, "", HOSTS, None) == HOSTS


def test_the_sites_own_host_and_origin_need_not_be_repeated(read):
    assert read(address.hosts, "", HOSTS, OWN) == ["video.example.org", *HOSTS]
    assert read(address.hosts, "Web,video.example.org", HOSTS, OWN) == ["video.example.org", "web"]
    assert read(address.origins, "", OWN) == ["https://video.example.org"]
    assert read(address.origins, "https://video.example.org/,https://*.example.org", OWN) == [
        "https://video.example.org",
        "https://*.example.org",
    ]


SITE = [
    ("video.example.org", "A=https://video.example.org"),
    ("video.example.org:8443", "A=https://video.example.org:8443"),
    ("ftp://video.example.org", "A=https://video.example.org"),
    ("https://", "A=https://"),
    ("https://example.org/videos", "has a path"),
    ("https://example.org/videos/", "has a path"),
    ("https://example.org/?x", "has a path"),
    ("https://exa mple.org", "A=https://video.example.org"),
    ("https://video.example.org:port", "A=https://video.example.org"),
    ("https://żubr.example", "A=https://xn--ubr-22a.example"),
    ("https://*.example.org", "A=https://video.example.org"),
    ("https://[::1", "A=https://video.example.org"),
]
NAMED = [
    ("https://video.example.org", "A=video.example.org"),
    ("video.example.org:8000", "A=video.example.org"),
    ("video.example.org/", "A=video.example.org"),
    ("2001:db8::1", "A=[2001:db8::1]"),
    ("żubr.example", "A=xn--ubr-22a.example"),
    ("*", "would let every website in"),
    ("a..b", "A=video.example.org"),
    ("*.example.org", "A=video.example.org"),
]
TRUSTED = [
    ("video.example.org", "A=https://video.example.org"),
    ("https://example.org/videos", "https://example.org instead of"),
    ("https://**.example.org", "A=https://video.example.org"),
]


@pytest.mark.parametrize(
    ("reader", "arguments", "value", "instead"),
    [
        *((address.site, (), *row) for row in SITE),
        *((address.hosts, (HOSTS, None), *row) for row in NAMED),
        *((address.origins, (None,), *row) for row in TRUSTED),
        (address.listening, ("127.0.0.1",), "http://0.0.0.0", "A=0.0.0.0"),
        (address.listening, ("127.0.0.1",), "127.0.0.1:8000", "A=127.0.0.1"),
        (environment.time_zone, ("UTC",), "Europe/Warszawa", "A=Europe/Warsaw"),
        (environment.time_zone, ("UTC",), "Europe", "A=Europe/"),
        (environment.time_zone, ("UTC",), "../../etc/passwd", "A=Europe/Warsaw"),
        (environment.sender, ("a@b",), "AuraVideo", "A=a@example.org"),
        (environment.url, (("http", "https"),), "https://", "http:// or https:// and a host"),
        (environment.url, (("http", "https"),), "https://store:port", "and a host"),
        (environment.file_to_write, (), "/no/such/folder/beat", "in a folder that exists"),
        (environment.matching, ("", "[a-z]+", "clips"), "Clips!", "clips"),
    ],
)
def test_what_cannot_work_is_refused_in_one_line_that_says_what_to_write(read, reader, arguments, value, instead):
    with pytest.raises(ImproperlyConfigured) as raised:
        read(reader, value, *arguments)
    message = str(raised.value)
    assert message.startswith("A") and value in message and instead in message
    assert "\n" not in message


@pytest.mark.parametrize("reader", [address.site, lambda name: address.origins(name, None)])
def test_a_password_that_does_not_belong_there_is_not_repeated(read, reader):
    with pytest.raises(ImproperlyConfigured, match="must not name a user or a password") as raised:
        read(reader, "https://ada:hunter2@video.example.org")
    assert "hunter2" not in str(raised.value)


@pytest.mark.parametrize("value", ["::", "0.0.0.0", "::1", "my-machine", "[::1]"])
def test_an_address_to_listen_on(read, value):
    assert read(address.listening, value, "127.0.0.1") == value


# --- The settings -----------------------------------------------------------------------------------------------------

MANAGE = [sys.executable, "manage.py"]
PROGRAMS = [
    [*MANAGE, "serve"],
    [*MANAGE, "doctor"],
    [*MANAGE, "migrate"],
    [*MANAGE, "scheduler"],
    [sys.executable, "-m", "daphne", "auravideo.asgi:application"],
    [sys.executable, "-m", "celery", "--quiet", "--app=auravideo", "worker", "--queues=cpu"],
]


def run(command, home, **variables: str) -> subprocess.CompletedProcess:
    environment = {"PATH": os.environ["PATH"], "AURAVIDEO_HOME": str(home), "AURAVIDEO_ENV_FILE": os.devnull}
    return subprocess.run(
        command, cwd=ROOT, env={**environment, **variables}, capture_output=True, text=True, check=False, timeout=120
    )


@pytest.mark.parametrize("command", every(3, PROGRAMS), ids=lambda command: command[2])
@pytest.mark.parametrize(
    ("name", "value"), every(3, [("ALLOWED_HOSTS", "https://video.example.org"), ("TIME_ZONE", "Europe/Nowhere")])
)
def test_every_program_refuses_to_start_with_one_line(command, name, value, tmp_path):
    done = run(command, tmp_path / "home", **{name: value})
    assert done.returncode == 1
    (line,) = (done.stdout + done.stderr).splitlines()
    assert line.startswith(f"AuraVideo cannot start: {name}") and value in line
    assert not {path.name for path in (tmp_path / "home").iterdir()} & {"redis", "db.sqlite3"}, "nothing was started"


SHOW = """
import json
from auravideo import settings as s
names = ("ALLOWED_HOSTS", "CSRF_TRUSTED_ORIGINS", "HTTPS", "SESSION_COOKIE_SECURE", "LANGUAGE_COOKIE_SECURE",
         "SECURE_HSTS_SECONDS", "SECURE_SSL_REDIRECT", "SECURE_SSL_HOST", "MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN")
print([getattr(s, name) for name in names])
"""
LOCAL = ["localhost", "127.0.0.1", "[::1]"]


@pytest.mark.parametrize(
    ("variables", "expected"),
    every(
        3,
        [
            ({}, [LOCAL, [], False, False, False, 0, False, None, True]),
            (
                {"SITE_URL": "https://v.example.org"},
                [["v.example.org", *LOCAL], ["https://v.example.org"], True, True, True, 31536000, True,
                 "v.example.org", False],
            ),
            (
                {"SITE_URL": "https://v.example.org", "HSTS_SECONDS": "0", "HTTPS_REDIRECT": "False", "HTTPS": ""},
                [["v.example.org", *LOCAL], ["https://v.example.org"], True, True, True, 0, False,
                 "v.example.org", False],
            ),
            (
                {"SITE_URL": "http://box:9000"},
                [["box", *LOCAL], ["http://box:9000"], False, False, False, 0, False, "box:9000", True],
            ),
            (
                {"ALLOWED_HOSTS": "v.example.org", "CSRF_TRUSTED_ORIGINS": "https://v.example.org", "HTTPS": "True"},
                [["v.example.org"], ["https://v.example.org"], True, True, True, 31536000, True, None, False],
            ),
        ],
    ),
)  # fmt: skip
def test_the_rest_follows_from_the_address_unless_it_is_set(variables, expected, tmp_path):
    done = run([sys.executable, "-c", SHOW], tmp_path, **variables)
    assert done.stdout.strip() == str(expected), done.stderr


@pytest.mark.parametrize(
    ("variables", "said"),
    every(
        3,
        [
            (
                {"SITE_URL": "https://v.example.org", "HTTPS": "False"},
                "HTTPS=False, but SITE_URL=https://v.example.org",
            ),
            ({"SITE_URL": "http://v.example.org", "HTTPS": "True"}, "HTTPS=True, but SITE_URL=http://v.example.org"),
            ({"HTTPS_REDIRECT": "True"}, "HTTPS_REDIRECT=True, but the site has no HTTPS"),
        ],
    ),
)
def test_settings_that_contradict_each_other_are_refused(variables, said, tmp_path):
    done = run([*MANAGE, "check"], tmp_path, **variables)
    assert done.returncode == 1 and said in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_site_with_an_address_passes_djangos_check_for_deployment(tmp_path):
    command = [*MANAGE, "check", "--deploy", "--fail-level", "WARNING"]
    done = run(command, tmp_path, SITE_URL="https://v.example.org")
    assert done.returncode == 0, done.stderr
    assert "SECURE_SSL_REDIRECT" in run(command, tmp_path).stderr, "the check did not look"


@pytest.mark.parametrize(
    "place",
    [
        *("localhost", "127.0.0.1", "127.8.9.1", "::1", "[::1]", "clips.localhost", "LOCALHOST"),
        *("127.0.0.1:8000", "127.0.0.1:", "[::1]:8000", "localhost:80"),
        *("http://localhost:8000", "https://127.0.0.1", "http://[::1]:8000"),
    ],
)
def test_what_leads_this_machine_to_itself(place):
    assert address.is_of_this_machine(place)


@pytest.mark.parametrize(
    "place",
    [
        *("0.0.0.0", "::", "192.168.1.20", "video.example.org", "mybox", ".example.org", "localhost.example.org"),
        *("8000", "0.0.0.0:8000", "[::]:8000", "192.168.1.20:8000", "[2001:db8::1]:8000", "127.0.0.1.example.org"),
        *("https://video.example.org", "https://*.example.org", "http://127.0.0.1.example.org:8000", ""),
    ],
)
def test_what_leads_others_to_it(place):
    assert not address.is_of_this_machine(place)


@pytest.mark.parametrize(
    ("variables", "is_private"),
    every(
        3,
        [
            ({}, True),
            ({"PORT": "9000", "SITE_URL": "http://localhost:9000"}, True),
            ({"HOST": "::1"}, True),
            ({"HOST": "0.0.0.0"}, False),
            ({"HOST": "0.0.0.0", "AURAVIDEO_PUBLISHED": "127.0.0.1:8000"}, True),  # as in compose.yaml
            ({"HOST": "0.0.0.0", "AURAVIDEO_PUBLISHED": "8000"}, False),
            ({"SITE_URL": "http://192.168.1.20:8000"}, False),
            ({"ALLOWED_HOSTS": "localhost,mybox"}, False),
            ({"CSRF_TRUSTED_ORIGINS": "https://video.example.org"}, False),
            ({"HTTPS": "True"}, False),  # a proxy with TLS is in front
            ({"TRUSTED_PROXIES": "1"}, False),  # one without, which may put another name into `Host`
        ],
    ),
)
def test_whether_others_reach_the_site(variables, is_private, tmp_path):
    shown = "from auravideo import settings; print(settings.IS_PRIVATE)"
    done = run([sys.executable, "-c", shown], tmp_path, **variables)
    assert done.stdout.strip() == str(is_private), done.stderr
