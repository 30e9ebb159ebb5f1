"""Accounts in a real browser: passkeys, with Chromium's virtual authenticator, and settings that persist."""

import re
import uuid
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.e2e.conftest import open_page
from tests.e2e.held_stages import wait_until
from tests.e2e.soundness import too_wide, violations
from tests.site import PASSWORD, Site

pytestmark = pytest.mark.e2e


@pytest.fixture
def name(pages_only):
    return pages_only.make_user(f"ann{uuid.uuid4().hex[:10]}")


@pytest.fixture
def page(browser, pages_only):
    """Yield a page on `localhost`: over plain HTTP, browsers offer passkeys only there."""
    with open_page(browser, pages_only, base_url=pages_only.url.replace("127.0.0.1", "localhost")) as page:
        yield page


@pytest.fixture
def authenticator(page):
    """Add a device with a fingerprint reader whose owner always agrees."""
    session = page.context.new_cdp_session(page)
    session.send("WebAuthn.enable")
    options = {
        "protocol": "ctap2",
        "transport": "internal",
        "hasResidentKey": True,
        "hasUserVerification": True,
        "isUserVerified": True,
        "automaticPresenceSimulation": True,
    }
    made = session.send("WebAuthn.addVirtualAuthenticator", {"options": options})
    return session, made["authenticatorId"]


def sign_in(page, name: str) -> None:
    page.goto("/accounts/login/")
    page.locator("[name=login]").fill(name)
    page.locator("[name=password]").fill(PASSWORD)
    page.get_by_role("main").get_by_role("button", name="Sign in", exact=True).click()


def sign_out(page) -> None:
    page.goto("/accounts/logout/")
    page.get_by_role("main").get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("link", name="Sign up", exact=True)).to_be_visible()


def add_passkey(page, *, alone: bool) -> None:
    page.goto("/accounts/2fa/webauthn/add/")
    page.locator("[name=password]").fill(PASSWORD)
    page.get_by_role("button", name="Confirm").click()
    page.locator("[name=name]").fill("My laptop")
    page.locator("[name=passwordless]").set_checked(alone)
    page.get_by_role("button", name="Add", exact=True).click()
    expect(page.get_by_role("heading", name="Recovery codes")).to_be_visible()


def test_a_passkey_alone_signs_in(page, name, authenticator):
    sign_in(page, name)
    expect(page).to_have_url(re.compile("/create/$"))
    add_passkey(page, alone=True)
    page.goto("/accounts/2fa/webauthn/")
    expect(page.get_by_text("replaces the password")).to_be_visible()
    for address in (*_addresses_of_passkey(page), "/accounts/2fa/webauthn/reauthenticate/"):
        page.goto(address)
        expect(page).to_have_url(re.compile(f"{re.escape(address)}$"))
        assert (too_wide(page), violations(page)) == ([], []), address
    sign_out(page)
    page.goto("/accounts/login/?next=/videos/")
    page.get_by_role("button", name="Sign in with a passkey").click()
    expect(page).to_have_url(re.compile("/videos/$"))
    expect(page.get_by_role("banner").get_by_text(name)).to_be_visible()


SUSPEND = """
from accounts.models import User
from accounts.services import suspend
assert suspend(User.objects.get(username={name!r}), None, "It was the third time.")
"""


@pytest.mark.thorough
def test_a_passkey_does_not_sign_in_a_suspended_user_and_says_why(page, pages_only, name, authenticator):
    sign_in(page, name)
    expect(page).to_have_url(re.compile("/create/$"))
    add_passkey(page, alone=True)
    pages_only.python(SUSPEND.format(name=name))
    page.goto("/accounts/login/")
    page.get_by_role("button", name="Sign in with a passkey").click()
    expect(page.get_by_role("heading", name="Your account is suspended")).to_be_visible()
    expect(page.get_by_role("main")).to_contain_text("It was the third time.")
    page.get_by_role("button", name="Back to sign-in").click()
    page.goto("/create/")
    expect(page).to_have_url(re.compile("/accounts/login/"))


def _addresses_of_passkey(page) -> list[str]:
    """Return the addresses that rename and remove the listed passkey."""
    links = page.locator("main a[href*='/webauthn/keys/']")
    expect(links).to_have_count(2)
    return [link.get_attribute("href") for link in links.all()]


@pytest.mark.thorough
def test_a_passkey_is_a_second_factor_and_a_lost_one_says_what_to_do(page, name, authenticator):
    sign_in(page, name)
    expect(page).to_have_url(re.compile("/create/$"))
    add_passkey(page, alone=False)
    sign_out(page)
    sign_in(page, name)
    expect(page.get_by_role("heading", name="Second factor")).to_be_visible()
    page.get_by_role("button", name="Use a passkey").click()
    expect(page).to_have_url(re.compile("/create/$"))
    sign_out(page)
    session, device = authenticator
    session.send("WebAuthn.setUserVerified", {"authenticatorId": device, "isUserVerified": False})
    session.send("WebAuthn.clearCredentials", {"authenticatorId": device})
    sign_in(page, name)
    page.get_by_role("button", name="Use a passkey").click()
    expect(page.get_by_role("alert")).to_have_text(re.compile("Try again, or choose another way"))


def test_the_theme_of_the_button_is_the_profiles(page, name):
    sign_in(page, name)
    expect(page).to_have_url(re.compile("/create/$"))
    page.emulate_media(color_scheme="dark")
    with page.expect_response("**/settings/theme/") as answer:
        page.get_by_role("button", name="Light or dark").click()
    assert answer.value.status == 204
    page.context.clear_cookies(name="theme")
    page.goto("/settings/")
    assert page.evaluate("document.documentElement.dataset.theme") == "light"
    assert page.locator("[name=theme]").input_value() == "light"


@pytest.mark.thorough
def test_the_settings_work_without_javascript(browser, pages_only, name):
    with open_page(browser, pages_only, java_script_enabled=False) as page:
        sign_in(page, name)
        page.goto("/settings/")
        page.locator("[name=full_name]").fill("Ada Lovelace")
        page.locator("[name=theme]").select_option("dark")
        page.get_by_role("button", name="Save").click()
        expect(page.get_by_role("main").get_by_role("status")).to_have_text(re.compile("Profile saved"))
        expect(page.locator("html")).to_have_attribute("data-theme", "dark")
        page.get_by_role("button", name="Polski").click()
        expect(page.locator("html")).to_have_attribute("lang", "pl")
        page.goto("/settings/data/")
        with page.expect_download() as download:
            page.locator("form[action='/settings/data/download/'] button").click()
        assert re.fullmatch(rf"auravideo-{name}-\d{{4}}-\d\d-\d\d\.zip", download.value.suggested_filename)


QUEUED = """
from accounts.models import User
from django.core.files.base import ContentFile
from django.core.files.storage import storages
from gallery.models import Video
from generation.queue import services
from generation.requests import available
from generation.models import Job
from generation.requests.request import parse
request = parse({"prompt": "a red heart rising over the sea"}, available.catalogue(), available.limits())
person = User.objects.get(username="ann")
done, waiting = services.submit(person, request), services.submit(person, request)
Job.objects.filter(pk=done.pk).update(status="done")
name = storages["default"].save(f"videos/{done.pk}/video.mp4", ContentFile(b"x"))
files = {"video_file": name, "poster_file": name, "preview_file": name}
facts = {"width": 256, "height": 256, "frames": 48, "fps": 24, "size": 1}
Video.objects.create(user=person, job=done, title="A heart", request=done.request, **facts, **files)
"""
LEFT = """
from accounts.models import User
from generation.models import Job
print(User.objects.count(), Job.objects.count())
"""


def stored(site: Site) -> list[Path]:
    return [path for folder in ("media", "frames") for path in (site.home / folder).rglob("*") if path.is_file()]


@pytest.mark.thorough
def test_a_deleted_account_is_gone_soon_with_all_that_it_had(browser, tmp_path):
    """Delete the account with the real worker and broker."""
    site = Site(tmp_path / "home", queues="cpu").start()
    try:
        site.make_user("ann")
        site.python(QUEUED)
        with open_page(browser, site) as page:
            sign_in(page, "ann")
            page.goto("/settings/delete/")
            expect(page.get_by_text("1 clip")).to_be_visible()
            page.locator("[name=password]").fill(PASSWORD)
            page.get_by_role("button", name="Delete everything").click()
            expect(page.get_by_role("main").get_by_role("status")).to_have_text(
                re.compile("everything in it is being deleted")
            )
            sign_in(page, "ann")
            expect(page.get_by_role("alert").first).to_be_visible()
        wait_until(lambda: site.python(LEFT) == "0 0", "there are still rows")
        # Files go once the rows are gone for good.
        wait_until(lambda: not stored(site), "there are still files")
    finally:
        assert site.stop() == 0
