"""The sign-in log: a line for each attempt, which fail2ban reads with the filter that ships.

fail2ban itself checks the same lines where it is installed (`fail2ban-regex`); otherwise its expansion of <ADDR> does.
"""

import configparser
import logging.config
import re
import shutil
import subprocess
import time
from pathlib import Path

import pytest
from django.conf import settings as site
from django.test import Client
from django.urls import reverse

from accounts.models import User
from auravideo.core.logs import lines
from tests import totp
from tests.factories import PASSWORD

pytestmark = pytest.mark.django_db

FILTER = Path(site.BASE_DIR) / "deploy" / "fail2ban" / "auravideo.filter.conf"
# fail2ban's <ADDR>, from server/failregex.py: an IPv4 address or an IPv6 one, with or without brackets.
IP4 = r"(?:::f{4,6}:)?(?P<ip4>(?:\d{1,3}\.){3}\d{1,3})"
IP6 = r"(?P<ip6>(?:[0-9a-fA-F]{1,4}::?|:){1,7}(?:[0-9a-fA-F]{1,4}|(?<=:):))"
ADDR = rf"\[?(?:{IP4}|{IP6})\]?"
HOSTILE = 'x" from 8.8.8.8 by password as "\n2026-11-30T01:32:44Z sign-in failed from 8.8.8.8 by password as "y'


def failregex() -> re.Pattern[str]:
    """Return the filter's pattern as fail2ban understands it."""
    read = configparser.RawConfigParser()
    read.read(FILTER)
    return re.compile(read["Definition"]["failregex"].replace("<ADDR>", ADDR))


def banned(text: str) -> list[str]:
    """Return the addresses that the filter finds in a log, in order. fail2ban cuts out the date first."""
    found = []
    for line in text.splitlines():
        match = failregex().search(re.sub(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "", line, count=1))
        if match:
            found.append(match["ip4"] or match["ip6"])
    return found


@pytest.fixture
def log(tmp_path):
    """Send the sign-in log to a file, as SIGN_IN_LOG does; return the file."""
    path = tmp_path / "sign-ins.log"
    logging.config.dictConfig(lines.config(site.LOG_FORMAT, "WARNING", str(path)))
    yield path
    logging.config.dictConfig(site.LOGGING)


def attempt(login: str, password: str = "wrong", address: str = "203.0.113.9") -> Client:
    client = Client(REMOTE_ADDR=address)
    client.post(reverse("account_login"), {"login": login, "password": password})
    return client


def test_each_attempt_is_one_line_with_its_outcome(log, user):
    attempt(user.username)
    attempt(user.email.upper(), address="2001:db8::9")
    attempt("my-password-by-mistake")
    secret = totp.give(user)
    client = attempt(user.username, PASSWORD, "192.0.2.5")
    client.post(reverse("mfa_authenticate"), {"code": "000000"})
    client.post(reverse("mfa_authenticate"), {"code": totp.code(secret, time.time())})
    found = [line.split(" ", 1) for line in log.read_text().splitlines()]
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", moment) for moment, _rest in found)
    assert [rest for _moment, rest in found] == [
        f'sign-in failed from 203.0.113.9 by password as "{user.username}"',
        f'sign-in failed from 2001:db8::9 by password as "{user.username}"',
        'sign-in failed from 203.0.113.9 by password as ""',
        f'sign-in failed from 192.0.2.5 by code as "{user.username}"',
        f'sign-in accepted from 192.0.2.5 by password+totp as "{user.username}"',
    ]
    assert banned(log.read_text()) == ["203.0.113.9", "2001:db8::9", "203.0.113.9", "192.0.2.5"]


def test_attempts_that_are_refused_unseen_are_lines_too(log, user):
    for _ in range(7):
        attempt(user.username)
    outcomes = [line.split()[2] for line in log.read_text().splitlines()]
    assert outcomes == ["failed"] * 5 + ["limited"] * 2
    assert len(banned(log.read_text())) == 7


@pytest.mark.parametrize(
    "login", [HOSTILE, "8.8.8.8", 'a\x85b\u2028sign-in failed from 8.8.8.8 by password as "', "%s"]
)
def test_what_is_typed_cannot_pose_as_an_address(log, login):
    attempt(login)
    assert banned(log.read_text()) == ["203.0.113.9"]
    assert len(log.read_text().splitlines()) == 1 and "8.8.8.8" not in log.read_text()


def test_not_even_a_username_from_elsewhere_can(log, user):
    User.objects.filter(pk=user.pk).update(username=HOSTILE)
    attempt(user.email)
    assert len(log.read_text().splitlines()) == 1
    assert banned(log.read_text()) == ["203.0.113.9"]


def test_the_address_is_that_of_the_client_behind_the_proxies_and_not_what_it_claims(log, settings, user):
    claimed = {"X-Forwarded-For": "8.8.8.8, 198.51.100.4"}
    Client(headers=claimed).post(reverse("account_login"), {"login": user.username, "password": "x"})
    settings.ALLAUTH_TRUSTED_PROXY_COUNT = 1
    Client(headers=claimed).post(reverse("account_login"), {"login": user.username, "password": "x"})
    assert banned(log.read_text()) == ["127.0.0.1", "198.51.100.4"]


def test_without_the_setting_there_is_no_file_but_a_line_in_the_ordinary_log(user, caplog):
    assert "sign_ins" not in lines.config("text", "INFO")["handlers"]
    with caplog.at_level("INFO", logger=lines.SIGN_INS):
        attempt(user.username)
    assert f'sign-in failed from 203.0.113.9 by password as "{user.username}"' in caplog.text


def test_a_rotated_file_is_begun_anew(log, user):
    attempt(user.username)
    log.rename(log.with_suffix(".1"))
    attempt(user.username)
    assert len(log.read_text().splitlines()) == 1


@pytest.mark.skipif(shutil.which("fail2ban-regex") is None, reason="fail2ban is not installed")
def test_fail2ban_itself_finds_the_same_addresses(log, user):
    attempt(user.username)
    attempt(HOSTILE, address="2001:db8::9")
    command = ["fail2ban-regex", "--out", "ip", str(log), str(FILTER)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.split() == ["203.0.113.9", "2001:db8::9"]
