"""Every journey of an account as a person takes it, in both languages, through the links in real emails.

Passkeys are in test_accounts.py.
"""

import base64
import hmac
import itertools
import json
import re
import struct
import time
import zipfile
from contextlib import contextmanager
from datetime import timedelta

import pytest
from playwright.sync_api import expect

from tests.e2e.conftest import open_page
from tests.e2e.person import Person
from tests.site import PASSWORD, Site

pytestmark = [pytest.mark.e2e, pytest.mark.thorough]

NEW_PASSWORD = "a lamp in the rain"
JOURNEYS = ("signs", "forgets", "changes", "doubles", "shows", "leaves")
MAKE_PEOPLE = """
from allauth.account.models import EmailAddress
from django.contrib.auth.hashers import make_password
from django.core.files.base import ContentFile
from django.core.files.storage import storages
from accounts.joining.models import JoiningRules
from accounts.models import User
from gallery.models import Video
from generation.queue import services
from generation.requests import available
from generation.models import Job
from generation.requests.request import parse
JoiningRules.objects.create(policy="open")
password = make_password({password!r})
for name in {names!r}:
    person = User.objects.create(username=name, email=name + "@example.org", password=password)
    EmailAddress.objects.create(user=person, email=person.email, verified=True, primary=True)
    request = parse({{"prompt": "a red heart rising over the sea"}}, available.catalogue(), available.limits())
    job = services.submit(person, request)
    Job.objects.filter(pk=job.pk).update(status="done")
    file = storages["default"].save(f"videos/{{job.pk}}/video.mp4", ContentFile(b"x"))
    files = {{"video_file": file, "poster_file": file, "preview_file": file}}
    facts = {{"width": 256, "height": 256, "frames": 48, "fps": 24, "size": 1}}
    Video.objects.create(user=person, job=job, title="A heart", request=job.request, **facts, **files)
"""
CONFIRMATION = (
    "Confirm your email address",
    "this email address was given for the account",
    "To confirm that it is yours, open this link:",
    "If it was not you, do nothing.",
)
MISMATCH = "The sign-in details you specified are not correct."
RESERVED = "This username is reserved for the operator of the site. Choose another one."
addresses = (f"192.0.2.{number}" for number in itertools.count(1))  # one each, so that nobody is rate-limited


def totp(secret: str, moment: float) -> str:
    """Return the code an authenticator app shows: RFC 6238 with SHA-1, six digits, 30 seconds."""
    digest = hmac.digest(base64.b32decode(secret), struct.pack(">Q", int(moment) // 30), "sha1")
    offset = digest[-1] & 0x0F
    return f"{(struct.unpack('>I', digest[offset : offset + 4])[0] & 0x7FFFFFFF) % 10**6:06}"


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """Yield a site with the worker that writes emails, to files here; it requires confirmed addresses."""
    folder = tmp_path_factory.mktemp("accounts")
    environment = {"EMAIL_URL": f"filemail:///{folder}/letters", "EMAIL_VERIFICATION": "mandatory"}
    started = Site(folder / "home", queues="cpu", TRUSTED_PROXIES="1", **environment).start()
    names = [f"{journey}-{language}" for journey in JOURNEYS for language in ("en", "pl")]
    started.python(MAKE_PEOPLE.format(names=names, password=PASSWORD))
    yield started
    assert started.stop() == 0


@pytest.fixture
def meet(browser, site, language):
    """Return `meet`: `with meet("forgets") as person:` gives that user a browser in the test's language."""

    @contextmanager
    def somebody(journey: str):
        options = {
            "locale": {"en": "en-GB", "pl": "pl-PL"}[language],
            "reduced_motion": "reduce",  # the first page is animated otherwise, which is slow
            "extra_http_headers": {"X-Forwarded-For": next(addresses)},
        }
        with open_page(browser, site, **options) as page:
            yield Person(page, site.home.parent / "letters", language, f"{journey}-{language}")

    return somebody


def test_signing_up_ends_with_the_link_in_the_letter(meet):
    with meet("joins") as person:
        person.page.goto("/accounts/signup/")
        person.reads("Sign up")
        person.type({"Username": person.name, "Email address": person.email})
        person.type({"Password": PASSWORD, "Repeat the password": PASSWORD})
        person.press("Sign up")
        person.reads("Check your email")
        person.is_shut_out()
        link = person.link_in_letter(*CONFIRMATION)
        person.page.goto(link)
        person.reads("Confirm your email address")
        person.press("Yes, confirm")
        person.is_signed_in()
        person.page.goto(link)
        person.reads("This link no longer works")


def test_signing_up_with_somebodys_address_reads_the_same_and_tells_them(meet):
    with meet("copies") as person:
        person.page.goto("/accounts/signup/")
        owner = person.email.replace("copies", "shows")
        person.type({"Username": "admin", "Email address": owner})
        person.type({"Password": PASSWORD, "Repeat the password": PASSWORD})
        person.press("Sign up")
        person.reads("Sign up", RESERVED)
        person.type({"Username": person.name, "Password": PASSWORD, "Repeat the password": PASSWORD})
        person.press("Sign up")
        person.reads("Check your email")
        person.is_shut_out()
        person.gets_letter("You already have an account", to=owner)


def test_either_name_signs_in_and_the_browser_remembers_if_asked(meet):
    with meet("signs") as person:
        person.sign_in(password="not the password")
        person.reads("Sign in", MISMATCH)
        person.sign_in()
        person.is_signed_in()
        assert _session_expires(person) == -1, "the session outlives the browser"
        person.sign_out()
        person.sign_in(person.email, remember=True)
        person.is_signed_in()
        assert timedelta(days=13).total_seconds() < _session_expires(person) - time.time()
        person.sign_out()


def _session_expires(person: Person) -> float:
    (cookie,) = [cookie for cookie in person.page.context.cookies() if cookie["name"] == "sessionid"]
    assert cookie["httpOnly"]
    return cookie["expires"]


def test_a_forgotten_password_is_replaced_through_the_letter(meet):
    with meet("forgets") as person:
        person.page.goto("/accounts/login/")
        person.follow("Forgot it?")
        person.reads("Forgot your password?")
        person.type({"Email address": person.email})
        person.press("Send the link")
        person.reads("Check your email")
        link = person.link_in_letter(
            "Choose a new password",
            "someone asked for a new password for your account",
            "If it was not you, do nothing",
        )
        person.page.goto(_tampered(link))
        person.reads("This link no longer works")
        person.page.goto(link)
        person.reads("Choose a new password")
        person.type({"New password": NEW_PASSWORD, "Repeat the password": NEW_PASSWORD})
        person.press("Set password")
        person.reads("Your new password is set")
        person.page.goto(link)
        person.reads("This link no longer works")
        person.sign_in()
        person.reads("Sign in", MISMATCH)
        person.sign_in(password=NEW_PASSWORD)
        person.is_signed_in()


def _tampered(link: str) -> str:
    """Return the link with the last character of its secret changed."""
    secret = link.rstrip("/")
    return f"{secret[:-1]}{'0' if secret[-1] != '0' else '1'}/"


def test_password_and_address_are_changed(meet):
    with meet("changes") as person:
        person.sign_in()
        person.is_signed_in()
        person.open_settings("Password")
        person.reads("Change your password")
        person.type({"Current password": "not the password", "New password": NEW_PASSWORD})
        person.type({"Repeat the password": NEW_PASSWORD})
        person.press("Change password")
        person.reads("Change your password", "Please type your current password.")
        person.type({"Current password": PASSWORD, "New password": NEW_PASSWORD, "Repeat the password": NEW_PASSWORD})
        person.press("Change password")
        person.reads("Change your password", "Your new password is set.")

        person.open_settings("Email address")
        person.reads("Your email addresses")
        old, new = person.email, f"new-{person.email}"
        person.type({"New address": new})
        person.press("Add")
        person.proves_again(NEW_PASSWORD)
        person.reads("Your email addresses", "We sent a confirmation link to", "not confirmed")
        person.page.goto(person.link_in_letter(*CONFIRMATION, to=new))
        person.reads("Confirm your email address")
        person.press("Yes, confirm")
        person.reads("Your email addresses", "is confirmed")
        person.press("Make it your main address", new)
        person.reads("Your email addresses", "This is now your main address.")
        person.press("Remove", old)
        expect(person.main.locator(".keys").get_by_role("listitem")).to_have_text(re.compile(re.escape(new)))
        person.sign_out()
        person.sign_in(old, NEW_PASSWORD)
        person.reads("Sign in")
        person.sign_in(new, NEW_PASSWORD)
        person.is_signed_in()


def test_a_second_factor_is_asked_for_and_a_recovery_code_replaces_it_once(meet):
    with meet("doubles") as person:
        person.sign_in()
        person.is_signed_in()
        person.open_settings("Two-factor sign-in")
        person.reads("Two-factor sign-in")
        person.follow("Set up")
        person.proves_again(PASSWORD)
        person.reads("Set up an authenticator app")
        secret = person.page.locator("#authenticator_secret").inner_text()
        person.type({"Code from the app": totp(secret, time.time())})
        person.press("Switch on")
        person.reads("Recovery codes")
        recovery = person.page.locator("#recovery_codes li").first.inner_text()
        person.sign_out()

        person.sign_in()
        _gives(person, "000000")
        person.reads("Second factor", "Incorrect code.")
        person.page.goto("/settings/")
        _gives(person, totp(secret, time.time() + 30))  # each code works once; a clock may run 30 s fast
        person.is_signed_in()
        person.sign_out()

        person.sign_in()
        _gives(person, recovery)
        person.is_signed_in()
        person.sign_out()
        person.sign_in()
        _gives(person, recovery)
        person.reads("Second factor", "Incorrect code.")


def _gives(person: Person, code: str) -> None:
    person.reads("Second factor")
    person.type({"Code from your app, or a recovery code": code})
    person.press("Sign in")


def test_the_profile_takes_effect_on_the_next_page(meet):
    with meet("shows") as person:
        person.sign_in()
        person.is_signed_in()
        person.open_settings("Profile")
        person.type({"full name": "Ada Lovelace"})
        person.field("theme").select_option("light")
        person.field("language").select_option(other := {"en": "pl", "pl": "en"}[person.language])
        person.press("Save")
        person.language = other
        person.reads("Your profile", "Profile saved.")
        expect(person.page.locator("html")).to_have_attribute("data-theme", "light")
        expect(person.field("full name")).to_have_value("Ada Lovelace")
        person.field("theme").select_option("dark")
        person.press("Save")
        expect(person.page.locator("html")).to_have_attribute("data-theme", "dark")
        person.sign_out()
        expect(person.page.locator("html")).to_have_attribute("data-theme", "dark")


def test_leaving_for_a_while_and_for_good(meet):
    with meet("leaves") as person:
        person.sign_in()
        person.is_signed_in()
        person.open_settings("Your data and leaving")
        person.reads("Your data and leaving", "1 clip", "1 request")
        with person.page.expect_download() as download:
            person.press("Download your data")
        with zipfile.ZipFile(download.value.path()) as archive:
            assert archive.testzip() is None
            profile = json.loads(archive.read("profile.json"))
            assert any(name.startswith("videos/") and name.endswith(".mp4") for name in archive.namelist())
        assert (profile["user_name"], profile["email"]) == (person.name, person.email)

        person.follow("Deactivate account")
        person.reads("Deactivate your account")
        person.press("Deactivate account")
        expect(person.main.get_by_role("status")).to_contain_text(person.say("Your account is deactivated."))
        person.is_shut_out()
        person.sign_in()
        person.reads("Welcome back?")
        person.page.goto("/jobs/")
        person.reads("Welcome back?")
        person.press("Reactivate my account")
        person.is_signed_in()
        person.reads("What do you want to see?", "Welcome back. Everything is as you left it.")

        person.open_settings("Your data and leaving")
        person.follow("Delete account")
        person.reads("Delete your account", "This cannot be undone.", "1 clip", "The account is closed immediately")
        person.type({"Your password": "not the password"})
        person.press("Delete everything")
        person.reads("Delete your account", "Incorrect password.")
        person.type({"Your password": PASSWORD})
        person.press("Delete everything")
        expect(person.main.get_by_role("status")).to_contain_text(person.say("Your account is closed"))
        person.is_shut_out()
        person.sign_in()
        person.reads("Sign in", MISMATCH)
