"""The site without JavaScript: sign up, make a clip, watch it, cancel it, change the language, leave."""

import re
import uuid

import pytest
from playwright.sync_api import expect

from tests.site import PASSWORD

pytestmark = [pytest.mark.e2e, pytest.mark.thorough]


@pytest.fixture
def plain_page(browser, pages_only):
    context = browser.new_context(base_url=pages_only.url, java_script_enabled=False)
    page = context.new_page()
    page.set_default_timeout(20_000)
    yield page
    context.close()


def test_everything_that_can_works_without_javascript(plain_page):
    page, main = plain_page, plain_page.get_by_role("main")
    page.goto("/")
    page.get_by_role("link", name="Make your first clip").click()
    name = f"ida{uuid.uuid4().hex[:10]}"
    for field, text in {
        "username": name,
        "email": f"{name}@example.org",
        "password1": PASSWORD,
        "password2": PASSWORD,
    }.items():
        page.locator(f"[name={field}]").fill(text)
    main.get_by_role("button", name="Sign up").click()
    expect(page).to_have_url(re.compile("/create/$"))

    page.locator("[name=prompt]").fill("a large red heart rising over the sea")
    main.get_by_role("button", name="Make the clip").click()
    expect(page).to_have_url(re.compile("/jobs/[0-9a-f-]{36}/$"))
    page.get_by_role("link", name="Queue", exact=True).click()
    job = page.locator(".job")
    expect(job).to_have_attribute("data-status", "queued")
    job.get_by_role("button", name="Cancel").click()
    expect(page.locator(".job")).to_have_attribute("data-status", "cancelled")

    page.get_by_role("button", name="Polski").click()
    expect(page.locator("html")).to_have_attribute("lang", "pl")
    expect(page.locator(".job__status")).to_have_text("Anulowano")
    page.locator("details.menu > summary").last.click()
    page.get_by_role("button", name="Wyloguj się").click()
    expect(page.get_by_role("link", name="Zaloguj się").first).to_be_visible()


def test_nothing_is_shown_that_does_nothing_without_javascript(plain_page):
    plain_page.goto("/help/")
    expect(plain_page.locator(".js-only")).to_be_hidden()
    expect(plain_page.get_by_role("button", name="Polski")).to_be_visible()


def test_the_examples_of_the_help_page_lead_to_the_form_after_signing_in(plain_page):
    plain_page.goto("/help/")
    plain_page.get_by_role("link", name="a large red heart rising over the sea").click()
    expect(plain_page).to_have_url(re.compile(r"/accounts/login/\?next=/create/%3Fprompt%3D"))
