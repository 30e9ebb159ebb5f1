"""Watching clips on a real site: a page catches up on whatever happened while nobody was looking."""

import re
import uuid

import pytest
from playwright.sync_api import expect

from tests.e2e.conftest import open_page

pytestmark = pytest.mark.e2e

QUEUE = """
from accounts.models import User
from tests.factories import JobFactory
user = User.objects.get(username={name!r})
print(*(JobFactory(user=user).pk for _ in range({jobs})))
"""
BEGIN = """
from generation.queue import claims
from generation.domain.states import Stage
claims.finish(claims.claim({job!r}, 1, Stage.PREPROCESS, 0, "worker"), {{}})
claims.beat(claims.claim({job!r}, 1, Stage.GENERATE, 0, "worker"), 1, 2)
"""
FAIL = """
from generation.queue import services
from generation.models import Job
services.fail(Job.objects.get(pk={job!r}), 1, "out-of-memory", {{}})
"""


def sign_in(page, site, jobs: int) -> list[str]:
    """Sign in a new user with this number of queued jobs; return the jobs' IDs."""
    name = site.make_user(f"watcher{uuid.uuid4().hex[:10]}")
    page.context.add_cookies([{"name": "sessionid", "value": site.session_of(name), "url": site.url}])
    return site.python(QUEUE.format(name=name, jobs=jobs)).split()


class Line:
    """The connection between a page and the server, which a test can cut."""

    def __init__(self, page) -> None:
        self.is_cut = False
        self.sockets = []
        self.page = page
        page.route_web_socket(re.compile("/ws/jobs/"), self._connected)

    def _connected(self, socket) -> None:
        if self.is_cut:
            socket.close(code=1012)
        else:
            self.sockets.append(socket)
            socket.connect_to_server()

    def cut(self) -> None:
        self.is_cut = True
        self.page.route("**/jobs/updates/**", _never_answer)
        self.sockets[-1].close(code=1012)

    def mend(self) -> None:
        self.is_cut = False
        self.page.unroute("**/jobs/updates/**", _never_answer)


def _never_answer(_route) -> None:
    """Let a request wait, as a cut line does; the browser would log a refused one."""


@pytest.mark.thorough
def test_a_page_that_was_cut_off_or_closed_shows_the_present_when_it_is_back(quick_page, pages_only):
    page, site = quick_page, pages_only
    (job,) = sign_in(page, site, 1)
    line = Line(page)
    page.goto(f"/jobs/{job}/")
    status = page.locator(f"#job-{job} .job__status")
    expect(status).to_have_text("Waiting")

    line.cut()
    site.python(BEGIN.format(job=job))
    expect(page.locator("#offline")).to_be_visible()
    expect(status).to_have_text("Waiting")
    line.mend()
    expect(status).to_have_text("Generating", timeout=60_000)
    expect(page.locator("#offline")).to_be_hidden()

    again = page.context.new_page()
    page.close()
    site.python(FAIL.format(job=job))
    again.goto("/jobs/")
    card = again.locator(f"#job-{job}")
    expect(card.locator(".job__status")).to_have_text("Failed")
    expect(card.get_by_text("New", exact=True)).to_be_visible()
    expect(again.locator("#active-jobs summary")).to_contain_text("1 new")

    card.get_by_role("button", name="Try again").click()
    expect(card.locator(".job__status")).to_have_text("Waiting")
    expect(again.locator("#active-jobs summary")).to_contain_text("1 in progress")
    card.get_by_role("button", name="Cancel").click()
    expect(card.locator(".job__status")).to_have_text("Cancelled")
    card.get_by_role("button", name="Remove from the list").click()
    expect(card).to_have_count(0)
    expect(again.locator("#count-all")).to_have_text("0")


def test_however_long_the_line_was_cut_a_page_tries_its_socket_again_within_ten_seconds(quick_page, pages_only):
    sign_in(quick_page, pages_only, 0)
    quick_page.goto("/jobs/")
    pauses = quick_page.evaluate("Array.from({length: 99}, (_, attempt) => htmx.config.wsReconnectDelay(attempt))")
    assert pauses[0] <= 1000
    assert max(pauses) <= 10_000
    assert len(set(pauses)) == len(pauses)


def test_a_change_in_one_tab_is_seen_in_the_other(quick_page, pages_only):
    first, second = sign_in(quick_page, pages_only, 2)
    quick_page.goto("/jobs/")
    other = quick_page.context.new_page()
    other.goto("/videos/")
    panel = other.locator("#active-jobs")
    panel.locator("summary").click()
    panel.locator(f"#active-{first}").get_by_role("button").click()
    expect(quick_page.locator(f"#job-{first} .job__status")).to_have_text("Cancelled")
    expect(quick_page.locator(f"#job-{second} .job__status")).to_have_text("Waiting")
    expect(quick_page.locator(f"#job-{second}")).to_contain_text("Place")
    expect(quick_page.locator("#count-cancelled")).to_have_text("1")
    expect(panel.locator(".active__row")).to_have_count(1)

    other.goto(f"/jobs/{first}/")
    other.get_by_role("button", name="Remove from the list").click()
    expect(other).to_have_url(re.compile("/jobs/$"))
    expect(other.get_by_text("The clip was removed from the list.")).to_be_visible()
    expect(quick_page.locator(f"#job-{first}")).to_have_count(0)
    expect(quick_page.locator(f"#job-{second}")).to_be_visible()


@pytest.mark.thorough
def test_everything_on_the_list_works_without_javascript(browser, pages_only):
    with open_page(browser, pages_only, java_script_enabled=False) as page:
        first, second, _third = sign_in(page, pages_only, 3)
        page.goto("/videos/")
        panel = page.locator("#active-jobs")
        panel.locator("summary").click()
        panel.locator(f"#active-{first}").get_by_role("button").click()
        expect(page).to_have_url(re.compile(f"/jobs/{first}/$"))
        panel.locator("summary").click()
        panel.get_by_role("link", name="Go to your queue").click()
        page.get_by_role("navigation", name="Which clips to show").get_by_role("link", name="Active").click()
        expect(page.locator(".job")).to_have_count(2)
        page.locator("summary", has_text="Cancel all waiting").click()
        page.get_by_role("button", name="Cancel all waiting clips").click()
        expect(page.get_by_text("2 waiting clips were cancelled.")).to_be_visible()
        page.locator(f"#job-{second}").get_by_role("button", name="Remove from the list").click()
        expect(page.locator(".job")).to_have_count(2)
        page.locator("summary", has_text="Remove all that have ended").click()
        page.get_by_role("button", name="Remove them from this list").click()
        expect(page.get_by_text("2 clips were removed from the list.")).to_be_visible()
        expect(page.locator(".job")).to_have_count(0)
