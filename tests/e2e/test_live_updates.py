"""What the page does with what the socket sends: in order, in place, and without disturbing who is using it.

The pages and fragments are the real templates; the server's side of the socket is played by the tests, so that messages
can come late, twice, or for somebody who looks at another page.
"""

import mimetypes
from dataclasses import replace
from types import SimpleNamespace
from urllib.parse import urlsplit
from uuid import UUID

import pytest
from django.contrib.staticfiles import finders
from django.template.loader import render_to_string
from django.utils import timezone
from playwright.sync_api import expect

from generation.models import Job
from generation.selectors import Progress, StageProgress
from tests.factories import a_request

pytestmark = pytest.mark.e2e

SITE = "http://auravideo.test"
JOB, ELSEWHERE = UUID(int=1), UUID(int=2)
PERSON = SimpleNamespace(is_authenticated=True, username="ada", is_staff=False)
STAGES = ("preprocess", "generate", "interpolate", "upscale", "assemble")


def a_job(version: int, status: str = "running", id: UUID = JOB) -> Job:
    return Job(id=id, request=a_request(), seed=1, status=status, version=version, queued_at=timezone.now())


def a_progress(permille: int, stage: str = "Generating", preview: int = 0) -> Progress:
    stages = tuple(StageProgress(id, id.title(), "waiting", 0) for id in STAGES)
    address = f"/jobs/{JOB}/preview/?v={preview}" if preview else ""
    return Progress("generate", stage, 10, permille, None, 12, address, stages)


def fragment(version: int, permille: int = 0, status: str = "running", id: UUID = JOB, **changes) -> str:
    context = {"job": a_job(version, status, id), "progress": replace(a_progress(permille), **changes), "video": None}
    return render_to_string("generation/partials/job.html", context)


class Page:
    """The jobs page of a person with one running job, and the server's end of its socket."""

    def __init__(self, context) -> None:
        self.sockets = []
        self.answers: dict[str, str] = {}
        self.problems: list[str] = []
        row = {"job": a_job(5), "progress": a_progress(300), "video": None}
        page = {"user": PERSON, "jobs": [row], "active_jobs": 1, "csrf_token": "token-of-the-page"}
        self.answers["/jobs/"] = render_to_string("generation/jobs.html", page)
        self.page = context.new_page()
        self.page.on("pageerror", lambda error: self.problems.append(str(error)))
        self.page.on("console", lambda line: self.problems.append(line.text) if line.type == "error" else None)
        self.page.route(f"{SITE}/**", self._answer)
        self.page.route_web_socket("**/ws/jobs/", self._connected)
        self.page.goto(f"{SITE}/jobs/")
        self.job = self.page.locator(f"#job-{JOB}")
        expect(self.page.locator("#offline")).to_be_hidden()
        self.wait_for_sockets(1)

    def _answer(self, route) -> None:
        path = urlsplit(route.request.url).path
        if path.startswith("/static/"):
            file = finders.find(path.removeprefix("/static/"))
            route.fulfill(path=file, content_type=mimetypes.guess_type(file)[0])
        else:
            route.fulfill(body=self.answers.get(path, ""), content_type="text/html")

    def _connected(self, socket) -> None:
        self.sockets.append(socket)

    def wait_for_sockets(self, count: int) -> None:
        for _ in range(200):
            if len(self.sockets) >= count:
                return
            self.page.wait_for_timeout(50)
        raise AssertionError(f"{len(self.sockets)} connections, {count} expected")

    def send(self, *fragments: str) -> None:
        """Send one message, and wait until the page has read it."""
        before = self.page.evaluate("window.messages ?? (window.messages = 0)")
        self.page.evaluate(
            "window.counting ??= document.addEventListener('htmx:wsAfterMessage', () => window.messages++) ?? true"
        )
        self.sockets[-1].send("".join(fragments))
        self.page.wait_for_function("before => window.messages > before", arg=before)

    def state(self) -> tuple[str, str, str]:
        return tuple(self.job.get_attribute(f"data-{name}") for name in ("version", "progress", "status"))


@pytest.fixture
def jobs_page(browser):
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    context.set_default_timeout(10_000)
    opened = Page(context)
    yield opened
    context.close()
    assert opened.problems == []


def test_a_newer_fragment_changes_the_page(jobs_page):
    jobs_page.send(fragment(5, 480, stage_label="Interpolating"))
    assert jobs_page.state() == ("5", "480", "running")
    expect(jobs_page.job.get_by_role("status")).to_have_text("Interpolating")
    expect(jobs_page.job.get_by_role("progressbar", name="whole clip")).to_have_attribute("value", "480")
    jobs_page.send(fragment(6, 0, "failed"))
    assert jobs_page.state() == ("6", "0", "failed")


@pytest.mark.parametrize(("version", "permille"), [(4, 999), (5, 299)])
def test_what_comes_late_never_overwrites_what_is_newer(jobs_page, version, permille):
    jobs_page.send(fragment(version, permille, "done"))
    assert jobs_page.state() == ("5", "300", "running")


def test_a_job_that_the_page_does_not_show_is_passed_over_in_silence(jobs_page):
    jobs_page.send(fragment(9, 100, id=ELSEWHERE), fragment(5, 310), fragment(1, 0, id=UUID(int=3)))
    assert jobs_page.state() == ("5", "310", "running")
    assert jobs_page.page.locator(".job").count() == 1


def test_the_number_of_active_jobs_follows(jobs_page):
    jobs_page.send(render_to_string("generation/partials/active.html", {"active_jobs": 7}))
    expect(jobs_page.page.get_by_role("link", name="7 rendering")).to_be_visible()
    jobs_page.send(render_to_string("generation/partials/active.html", {"active_jobs": 0}))
    expect(jobs_page.page.locator("#active-jobs")).to_be_hidden()


def test_focus_and_the_half_done_click_survive_an_update(jobs_page):
    jobs_page.answers[f"/jobs/{JOB}/cancel/"] = fragment(6, 0, "cancelled")
    button = jobs_page.job.get_by_role("button", name="Cancel")
    button.focus()
    button.hover()
    jobs_page.page.mouse.down()
    for permille in (310, 320, 330):
        jobs_page.send(fragment(5, permille))
    expect(button).to_be_focused()
    jobs_page.page.mouse.up()
    expect(jobs_page.job).to_have_attribute("data-status", "cancelled")


def test_the_status_is_announced_only_when_it_changes(jobs_page):
    jobs_page.page.evaluate(
        """() => {
            window.announced = [];
            const status = document.querySelector('.job [role=status]');
            const note = () => announced.push(status.textContent.trim());
            new MutationObserver(note).observe(status, {childList: true, characterData: true, subtree: true});
        }"""
    )
    for permille in (310, 320, 330):
        jobs_page.send(fragment(5, permille))
    assert jobs_page.page.evaluate("announced") == []
    jobs_page.send(fragment(5, 700, stage_label="Upscaling"))
    assert jobs_page.page.evaluate("announced") == ["Upscaling"]


def test_the_running_preview_is_replaced_only_by_a_newer_one(jobs_page):
    address = f"/jobs/{JOB}/preview/?v="
    jobs_page.send(fragment(5, 310, preview_url=f"{address}1"))
    picture = jobs_page.job.locator(".screen img").element_handle()
    jobs_page.page.evaluate(
        """picture => {
            window.reloads = 0;
            new MutationObserver(() => reloads++).observe(picture, {attributeFilter: ['src']});
        }""",
        picture,
    )
    jobs_page.send(fragment(5, 320, preview_url=f"{address}1"))
    assert jobs_page.page.evaluate("reloads") == 0
    jobs_page.send(fragment(5, 330, preview_url=f"{address}2"))
    assert jobs_page.page.evaluate("[reloads, document.querySelector('.job img').getAttribute('src')]") == [
        1,
        f"{address}2",
    ]


def test_an_answer_that_the_socket_has_overtaken_is_dropped(jobs_page):
    jobs_page.answers[f"/jobs/{JOB}/cancel/"] = fragment(6, 0, "cancelled")
    jobs_page.send(fragment(8, 0, "queued"))
    with jobs_page.page.expect_response("**/cancel/"):
        jobs_page.job.get_by_role("button", name="Cancel").click()
    jobs_page.page.wait_for_timeout(200)
    assert jobs_page.state() == ("8", "0", "queued")


def test_forms_that_came_through_the_socket_are_posted_with_the_token_of_the_page(jobs_page):
    jobs_page.send(fragment(6, 0, "failed"))
    with jobs_page.page.expect_request("**/retry/") as posted:
        jobs_page.job.get_by_role("button", name="Try again").click()
    assert posted.value.headers["x-csrftoken"] == "token-of-the-page"


@pytest.mark.parametrize("code", [1000, 1001, 1012])
def test_a_page_comes_back_after_any_end_of_the_connection(jobs_page, code):
    jobs_page.sockets[0].close(code=code)
    jobs_page.wait_for_sockets(2)
    jobs_page.send(fragment(7, 0, "done"))
    assert jobs_page.state() == ("7", "0", "done")


def test_a_lasting_interruption_is_said_and_taken_back(jobs_page):
    page = jobs_page.page
    page.evaluate("htmx.config.wsReconnectDelay = () => 4500")
    jobs_page.sockets[0].close(code=1012)
    expect(page.locator("#offline")).to_be_visible()
    jobs_page.wait_for_sockets(2)
    expect(page.locator("#offline")).to_be_hidden()
