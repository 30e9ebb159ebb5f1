"""A real browser, a real site with all its workers and the models that ship."""

import os
import shutil
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import expect, sync_playwright

from tests.site import Site

expect.set_options(timeout=15_000)  # a machine that has other work beside is slow, not wrong
SCREENSHOTS = Path(os.environ.get("SCREENSHOTS", "var/screenshots"))


@pytest.fixture(scope="session")
def site(tmp_path_factory):
    started = Site(tmp_path_factory.mktemp("site") / "home").start()
    yield started
    assert started.stop() == 0
    assert started.processes() == [], "the site left processes behind"


@pytest.fixture(scope="session")
def pages_only(tmp_path_factory):
    """A site without workers: what is queued there waits for ever. Enough for what happens before and after."""
    started = Site(tmp_path_factory.mktemp("pages") / "home", queues="").start()
    yield started
    assert started.stop() == 0


@pytest.fixture(scope="session")
def browser():
    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))))
    flags = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking"]
    flags += ["--disable-component-update", "--disable-sync", "--autoplay-policy=no-user-gesture-required"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=flags)
        yield browser
        browser.close()


@pytest.fixture
def page(browser, site):
    """A page of the site; a test fails when the page logged an error."""
    with open_page(browser, site) as page:
        yield page


@pytest.fixture
def quick_page(browser, pages_only):
    """A page of the site without workers; a test fails when the page logged an error."""
    with open_page(browser, pages_only) as page:
        yield page


@contextmanager
def open_page(browser, site: Site, **options):
    """A page in a browser context of its own (`options` are Playwright's for it); errors that it logged are raised."""
    context = browser.new_context(**{"base_url": site.url, "viewport": {"width": 1280, "height": 900}, **options})
    page = context.new_page()
    page.set_default_timeout(20_000)
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    yield page
    context.close()
    assert problems == []


@pytest.fixture
def screenshot(page):
    """Save a screenshot, to be looked at: `screenshot("name")`."""
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)

    def take(name: str) -> None:
        page.screenshot(path=str(SCREENSHOTS / f"{name}.png"), full_page=True)

    return take
