"""A real browser, and a real site with all its workers and the bundled models."""

import os
import re
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest
from playwright.sync_api import expect, sync_playwright

from tests.browser import executable
from tests.e2e.variants import LANGUAGES
from tests.site import Site

expect.set_options(timeout=15_000)  # a busy machine is slow, not wrong
# Signing out ends the socket of a page. If the next page takes a second, this one tries again and is refused.
LEAVES = re.compile(r"/accounts/logout/$|/settings/(delete|deactivate)/$")
REFUSED = re.compile(r"WebSocket connection to .*/ws/jobs/.* 403$|^\[object Event\]$")  # of the browser, and of htmx
SCREENSHOTS = Path(os.environ.get("SCREENSHOTS", "var/screenshots"))


@pytest.fixture(scope="session")
def site(tmp_path_factory):
    started = Site(tmp_path_factory.mktemp("site") / "home").start()
    yield started
    assert started.stop() == 0
    assert started.processes() == [], "the site left processes behind"


@pytest.fixture(scope="session")
def pages_only(tmp_path_factory):
    """Yield a site without workers, where queued jobs wait forever. Enough for everything except rendering."""
    started = Site(tmp_path_factory.mktemp("pages") / "home", queues="").start()
    yield started
    assert started.stop() == 0


@pytest.fixture(scope="session")
def browser():
    path = executable()
    flags = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking"]
    flags += ["--disable-component-update", "--disable-sync", "--autoplay-policy=no-user-gesture-required"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=flags)
        yield browser
        browser.close()


@pytest.fixture(params=LANGUAGES)
def language(request):
    return request.param


@pytest.fixture
def page(browser, site):
    """Yield a page of the site; fail the test if the page logs an error."""
    with open_page(browser, site) as page:
        yield page


@pytest.fixture
def quick_page(browser, pages_only):
    """Yield a page of the site without workers; fail the test if the page logs an error."""
    with open_page(browser, pages_only) as page:
        yield page


@contextmanager
def open_page(browser, site: Site, **options):
    """Yield a page in its own browser context (`options` are Playwright's); fail at the end if it logged errors."""
    context = browser.new_context(**{"base_url": site.url, "viewport": {"width": 1280, "height": 900}, **options})
    page = context.new_page()
    page.set_default_timeout(20_000)
    problems: list[str] = []
    left: list[str] = []

    def note(message) -> None:
        if message.type == "error" and not (left and REFUSED.search(message.text)):
            problems.append(message.text)

    page.on("request", lambda request: left.append(request.url) if LEAVES.search(request.url) else None)
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", note)
    yield page
    context.close()
    assert problems == []


@pytest.fixture
def screenshot(page):
    """Return a function that saves a screenshot for inspection: `screenshot("name")`."""
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)

    def take(name: str) -> None:
        page.screenshot(path=str(SCREENSHOTS / f"{name}.png"), full_page=True)

    return take


@pytest.fixture(scope="module")
def library_site(request, pages_only):
    """Return the site, with the users that the test module names in `PEOPLE` and that many clips for each."""
    pages_only.python(f"from tests.e2e.library_site import fill; fill({request.module.PEOPLE!r})")
    return pages_only


@pytest.fixture
def visit(browser, library_site):
    """Return `visit`: `with visit("name") as page` opens that user's library."""
    from tests.e2e import visits  # which needs this module

    return partial(visits.visit, browser, library_site)
