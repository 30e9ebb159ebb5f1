"""Checks that hold for every page: each is opened once in a real browser and examined from all sides.

The demo site serves them (tests/seeded.py); the list of pages comes from the URL configuration and the access table,
so a new page is tested as soon as it has an address.
"""

from urllib.parse import urlsplit

import pytest

from tests.e2e.soundness import OF_DJANGO, WIDTHS, too_small, too_wide, violations
from tests.sampling import thorough
from tests.seeded import PERSONS, SeededSite, every_page

pytestmark = pytest.mark.e2e

MAX_BYTES = 150_000
LOCALES = {"anonymous": "en", "owner": "pl", "admin": "pl"}  # so that both languages are checked
OF_VIDEOS = ("/file/", "/poster/", "/preview/", "/thumbnail/")


@pytest.fixture(scope="session")
def seeded(tmp_path_factory):
    started = SeededSite(tmp_path_factory.mktemp("seeded") / "home").start()
    yield started
    assert started.stop() == 0


class Visitor:
    """A user's browser, which records each page's requests and complaints."""

    def __init__(self, browser, site: SeededSite, person: str) -> None:
        self.context = browser.new_context(
            base_url=site.url,
            storage_state=site.sign_in(browser, person),
            locale=LOCALES[person],
            viewport={"width": WIDTHS[-1], "height": 900},
            reduced_motion="reduce",
        )
        self.page = self.context.new_page()
        self.page.set_default_timeout(20_000)
        self.problems: list[str] = []
        self.requests: list[str] = []
        self.bytes: dict[str, int] = {}
        self.page.on("pageerror", lambda error: self.problems.append(str(error)))
        self.page.on("console", lambda line: self.problems.append(line.text) if line.type == "error" else None)
        self.page.on("request", lambda request: self.requests.append(request.url))
        self._weigh()

    def _weigh(self) -> None:
        """Record the bytes on the wire for each address, as Chromium reports them with its cache off."""
        network, addresses = self.context.new_cdp_session(self.page), {}
        network.send("Network.enable")
        network.send("Network.setCacheDisabled", {"cacheDisabled": True})
        network.on(
            "Network.requestWillBeSent", lambda sent: addresses.update({sent["requestId"]: sent["request"]["url"]})
        )
        network.on(
            "Network.loadingFinished",
            lambda done: self.bytes.update({addresses.get(done["requestId"], "?"): int(done["encodedDataLength"])}),
        )

    def open(self, path: str):
        for noted in (self.problems, self.requests, self.bytes):
            noted.clear()
        self.page.set_viewport_size({"width": WIDTHS[-1], "height": 900})
        self.page.emulate_media(color_scheme="light")
        return self.page.goto(path)

    def is_signed_in(self) -> bool:
        """Return whether the page shows a user: in the site's menu or the admin's header."""
        return self.page.locator("header .menu__name, #user-tools").count() > 0


@pytest.fixture(scope="session")
def visitors(browser, seeded):
    made = {person: Visitor(browser, seeded, person) for person in PERSONS}
    yield made
    for visitor in made.values():
        visitor.context.close()


def sampled() -> list:
    """Return every page, those of the admin marked `thorough`: most of them are Django's."""
    return [thorough(page) if page[0].name.startswith("admin:") else page for page in every_page()]


@pytest.mark.parametrize(("address", "person"), sampled(), ids=lambda value: getattr(value, "name", value))
def test_a_page_is_sound(seeded, visitors, address, person):
    visitor = visitors[person]
    response = visitor.open(address.path(seeded.values))
    assert response.status == 200
    assert visitor.is_signed_in() == (person != "anonymous")
    assert visitor.problems == []
    assert elsewhere(visitor, seeded) == []
    assert 2_000 < weight(visitor) <= MAX_BYTES, visitor.bytes
    unfold(visitor.page)
    assert too_wide(visitor.page) == []
    assert violations(visitor.page, OF_DJANGO if address.name.startswith("admin:") else ()) == []
    assert address.name.startswith("admin") or too_small(visitor.page) == []


@pytest.mark.thorough
def test_every_state_of_a_job_and_a_video_is_sound(seeded, visitors):
    for page in seeded.pages():
        if page.name.startswith(("generation-job-", "gallery-video-", "gallery-explore-", "404-")):
            visitor = visitors[page.person]
            visitor.open(page.path)
            assert visitor.is_signed_in() == (page.person != "anonymous"), page.name
            assert [text for text in visitor.problems if "404" not in text] == [], page.name
            assert too_wide(visitor.page) == [], page.name
            assert violations(visitor.page) == [], page.name
            assert too_small(visitor.page) == [], page.name


def test_the_page_for_a_form_that_is_too_old_is_sound(visitors):
    visitor = visitors["owner"]
    visitor.open("/help/")
    with visitor.page.expect_navigation():
        visitor.page.evaluate(
            """() => {
                const form = document.querySelector('footer form');
                form.querySelector('[name=csrfmiddlewaretoken]').value = 'too old';
                form.querySelector('button').click();
            }"""
        )
    assert visitor.page.locator(".failure__code").inner_text() == "403"
    assert too_wide(visitor.page) == []
    assert violations(visitor.page) == []


def unfold(page) -> None:
    """Open what is folded in the page's text, which is to be read on a phone as well."""
    page.evaluate("document.querySelectorAll('main details.more').forEach((each) => { each.open = true; })")


def elsewhere(visitor: Visitor, site: SeededSite) -> list[str]:
    """Return the requests to other hosts than the site."""
    home = urlsplit(site.url).netloc
    hosts = [(urlsplit(url), url) for url in visitor.requests]
    return [url for parts, url in hosts if parts.scheme not in ("data", "blob") and parts.netloc != home]


def weight(visitor: Visitor) -> int:
    """Return the bytes on the wire, without videos and the images made from them."""
    return sum(size for url, size in visitor.bytes.items() if not urlsplit(url).path.endswith(OF_VIDEOS))


def test_axe_finds_what_it_looks_for(visitors):
    page = visitors["anonymous"].page
    page.goto("/help/")
    page.evaluate(
        "document.querySelector('h1').insertAdjacentHTML('afterend', '<img src=\"/static/images/logo.svg\">')"
    )
    assert any("image-alt" in line for line in violations(page))


def test_a_target_that_is_smaller_than_a_fingertip_is_found(visitors):
    page = visitors["anonymous"].page
    page.goto("/help/")
    page.evaluate(
        """() => {
            const link = Object.assign(document.createElement('a'), {href: '#', className: 'tag', textContent: 'x'});
            link.style.setProperty('min-height', '20px', 'important');
            document.querySelector('main').prepend(link);
        }"""
    )
    assert any("A.tag x" in line for line in too_small(page))


def test_static_files_are_kept_for_ever_and_come_compressed(seeded, visitors):
    visitor = visitors["anonymous"]
    responses = []
    visitor.page.on("response", lambda response: responses.append(response))
    visitor.open("/help/")
    static = [response for response in responses if "/static/" in response.url]
    assert len(static) >= 3
    for response in static:
        assert "immutable" in response.headers["cache-control"], response.url
        if response.url.endswith((".css", ".js")):
            assert response.headers["content-encoding"] == "gzip", response.url


def test_the_theme_can_be_switched_and_stays(visitors):
    visitor = visitors["anonymous"]
    visitor.open("/help/")
    background = "getComputedStyle(document.body).backgroundColor"
    before = visitor.page.evaluate(background)
    try:
        visitor.page.locator("[data-theme-switch]").click()
        after = visitor.page.evaluate(background)
        assert after != before
        visitor.page.reload()
        assert visitor.page.evaluate(background) == after
    finally:  # the other tests have the same browser
        visitor.context.clear_cookies(name="theme")


FOCUS = """() => {
    const e = document.activeElement, box = e.getBoundingClientRect();
    const outlined = style => style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) > 0;
    return {
        name: e.tagName + ' ' + (e.innerText || e.name || e.id).slice(0, 30),
        marked: outlined(getComputedStyle(e)) || outlined(getComputedStyle(e, '::after')),
        seen: box.width > 0 && box.bottom > 0,
    };
}"""
MARK_THEMSELVES = ("BODY", "VIDEO")  # the end of the page, and the browser's own player controls


@pytest.mark.parametrize("path", ["/help/", "/create/", "/jobs/", "/videos/", "/explore/"])
def test_the_keyboard_reaches_everything_and_shows_where_it_is(visitors, path):
    page = visitors["owner"].page
    visitors["owner"].open(path)
    page.evaluate("document.activeElement.blur()")
    stops = []
    for _ in range(20):
        page.keyboard.press("Tab")
        stops.append(page.evaluate(FOCUS))
    stops = [stop for stop in stops if not stop["name"].startswith(MARK_THEMSELVES)]
    assert [stop for stop in stops if not (stop["marked"] and stop["seen"])] == []
    assert len({stop["name"] for stop in stops}) > 10


def test_the_first_stop_of_the_keyboard_leads_past_the_navigation(visitors):
    page = visitors["owner"].page
    visitors["owner"].open("/jobs/")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip-link"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
