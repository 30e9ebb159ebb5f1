"""The security of an account in a real browser: sessions, and what staff have to do, in both languages."""

import os
import re
import time
import uuid
from contextlib import contextmanager

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.conftest import SCREENSHOTS, open_page
from tests.e2e.soundness import OF_DJANGO, too_wide, violations
from tests.site import PASSWORD, Site
from tests.totp import code

pytestmark = pytest.mark.e2e

POLISH = {
    "Security": "Bezpieczeństwo",
    "this browser": "ta przeglądarka",
    "Sign out": "Wyloguj się",
    "That browser is signed out.": "Tamta przeglądarka została wylogowana.",
    "Nowhere else.": "Nigdzie indziej.",
    "Signed in on a new device": "Zalogowano na nowym urządzeniu",
    "Two-factor sign-in": "Logowanie dwuskładnikowe",
    "before you can open the administration": "zanim otworzysz administrację",
    "Set up": "Skonfiguruj",
    "Switch on": "Włącz",
    "Go to the administration": "Przejdź do administracji",
    "Confirm": "Potwierdź",
}
MAKE = """
from accounts.models import User
User.objects.create_user({name!r}, {name!r} + "@example.org", {password!r}, is_staff={staff}, is_superuser={staff})
"""
AGE = """
from django.contrib.sessions.models import Session
from auravideo.core.sessions import SessionStore
for key in Session.objects.values_list("pk", flat=True):
    store = SessionStore(key)
    for record in store.get("account_authentication_methods", []):
        record["at"] -= 600
    store.save()
"""


@pytest.fixture(scope="module")
def guarded(tmp_path_factory):
    """Yield a site without workers whose staff need a second factor."""
    started = Site(tmp_path_factory.mktemp("guarded") / "home", queues="", STAFF_SECOND_FACTOR="auto").start()
    started.python(MAKE.format(name="somebody", password=PASSWORD, staff=False))
    yield started
    assert started.stop() == 0


@pytest.fixture
def name() -> str:
    return f"zoe{uuid.uuid4().hex[:10]}"


def sound(page: Page, shot: str, known: tuple = ()) -> None:
    """Check that a page fits every screen and that axe finds nothing; keep pictures of it if they are asked for."""
    assert (too_wide(page), violations(page, known)) == ([], [])
    for width, theme in ((1280, "light"), (360, "dark")) if "SCREENSHOTS" in os.environ else ():
        page.set_viewport_size({"width": width, "height": 900})
        page.emulate_media(color_scheme=theme)
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=SCREENSHOTS / f"{shot}-{width}.png", full_page=True)
    page.set_viewport_size({"width": 1280, "height": 900})


@contextmanager
def signed_in(browser, site: Site, name: str, language: str, **options: object):
    locale = {"en": "en-GB", "pl": "pl-PL"}[language]
    with open_page(browser, site, locale=locale, reduced_motion="reduce", **options) as page:
        page.goto("/accounts/login/")
        page.locator("[name=login]").fill(name)
        page.locator("[name=password]").fill(PASSWORD)
        page.locator("main form button").first.click()
        expect(page).to_have_url(re.compile("/create/$"))
        yield page


def test_another_browser_is_recognised_and_signed_out(browser, pages_only, name, language):
    say = (lambda text: text) if language == "en" else POLISH.__getitem__
    pages_only.make_user(name)
    phone = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) Version/18.6 Mobile/15E148 Safari/604.1"
    with (
        signed_in(browser, pages_only, name, language) as here,
        signed_in(browser, pages_only, name, language, user_agent=phone) as there,
    ):
        here.goto("/settings/")
        here.get_by_role("main").get_by_role("link", name=say("Security"), exact=True).click()
        expect(here.get_by_role("heading", level=1)).to_have_text(say("Security"))
        expect(here.get_by_text(say("Signed in on a new device"))).to_have_count(1)
        mine = here.get_by_role("listitem").filter(has_text=say("this browser"))
        expect(mine).to_contain_text("Chrome")
        other = here.get_by_role("listitem").filter(has=here.get_by_role("button", name=say("Sign out")))
        other = other.filter(has_text="iPhone")
        expect(other).to_contain_text("127.0.0.1")
        sound(here, f"security-{language}")
        other.get_by_role("button").click()
        expect(here.locator("[role=status] .messages")).to_contain_text(say("That browser is signed out."))
        expect(here.get_by_text(say("Nowhere else."))).to_be_visible()
        there.goto("/create/")
        expect(there).to_have_url(re.compile("/accounts/login/"))
        there.goto("about:blank")


@pytest.mark.thorough
def test_staff_set_up_a_second_factor_and_confirm_what_cannot_be_undone(browser, guarded, name, language):
    say = (lambda text: text) if language == "en" else POLISH.__getitem__
    guarded.python(MAKE.format(name=name, password=PASSWORD, staff=True))
    guarded.python(MAKE.format(name=f"left{name}", password=PASSWORD, staff=False))
    [(victim,)] = guarded.rows(f"select id from accounts_user where username = 'left{name}'")
    with signed_in(browser, guarded, name, language) as page:
        page.goto("/admin/")
        expect(page.get_by_role("heading", level=1)).to_have_text(say("Two-factor sign-in"))
        expect(page.get_by_role("main")).to_contain_text(say("before you can open the administration"))
        sound(page, f"second-factor-of-staff-{language}")
        page.get_by_role("main").get_by_role("link", name=say("Set up"), exact=True).click()
        page.locator("[name=password]").fill(PASSWORD)
        page.get_by_role("button", name=say("Confirm")).click()
        page.locator("[name=code]").fill(code(page.locator(".secret").inner_text().replace(" ", ""), time.time()))
        page.get_by_role("button", name=say("Switch on")).click()
        page.get_by_role("link", name=say("Go to the administration")).click()
        expect(page).to_have_url(re.compile("/admin/$"))
        guarded.python(AGE)
        page.goto(f"/admin/accounts/user/{victim}/delete/")
        expect(page).to_have_url(re.compile("/accounts/reauthenticate/"))
        page.locator("[name=password]").fill(PASSWORD)
        page.get_by_role("button", name=say("Confirm")).click()
        expect(page).to_have_url(re.compile("/delete/$"))
        page.locator("input[type=submit]").click()
        expect(page).to_have_url(re.compile("/admin/accounts/user/$"))
        page.goto("/admin/accounts/securityevent/?user__is_staff__exact=1")
        expect(page.locator("#result_list")).to_contain_text(name)
        sound(page, f"security-events-{language}", OF_DJANGO)
