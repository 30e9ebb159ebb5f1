"""Make clips on the create page, as the browser tests do everywhere."""

import re
import uuid

from playwright.sync_api import Locator, Page, expect

from tests.site import PASSWORD


def sign_up(page: Page) -> str:
    """Sign up with a new name and return it; the create page is next."""
    name = f"ann{uuid.uuid4().hex[:10]}"
    page.goto("/accounts/signup/")
    fields = {"username": name, "email": f"{name}@example.org", "password1": PASSWORD, "password2": PASSWORD}
    for field, value in fields.items():
        page.locator(f"[name={field}]").fill(value)
    page.get_by_role("main").locator("form button[type=submit], form button:not([type])").first.click()
    expect(page).to_have_url(re.compile("/create/$"))
    return name


def cards(page: Page) -> Locator:
    return page.locator("#feed-jobs .job")


def make(page: Page) -> None:
    """Press the button of the create page."""
    page.locator("#create-form [data-make]").click()


def queue(page: Page) -> str:
    """Submit the form as it is, open the page of the newest clip of it, and return its job's ID."""
    before = cards(page).count()
    make(page)
    expect(page.locator("#create-status")).not_to_be_empty()
    expect(cards(page)).not_to_have_count(before)
    job = (cards(page).first.get_attribute("id") or "").removeprefix("job-")
    page.goto(f"/jobs/{job}/")
    return job
