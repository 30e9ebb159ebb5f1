"""The jobs page, or a job's own page, rendered by the templates; the test holds the server's end of its socket."""

import mimetypes
import re
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace
from unittest import mock
from urllib.parse import urlsplit
from uuid import UUID

from django.contrib.staticfiles import finders
from django.template.loader import render_to_string
from django.utils import timezone
from playwright.sync_api import expect

from auravideo.core import keyset
from gallery.templatetags import retention
from generation.jobs.activity import Counts, Panel, Row
from generation.jobs.selectors import Progress, StageProgress
from generation.models import Job
from tests.factories import a_request

SITE = "http://auravideo.test"
PROMPT = "a red heart rising over the sea"
JOB, ELSEWHERE = UUID(int=1), UUID(int=2)
PERSON = SimpleNamespace(is_authenticated=True, username="ada", is_staff=False)
STAGES = ("preprocess", "generate", "interpolate", "upscale", "assemble")


def a_job(version: int, status: str = "running", id: UUID = JOB) -> Job:
    job = Job(id=id, request=a_request(), seed=1, status=status, version=version, queued_at=timezone.now())
    job._state.fields_cache["video"] = None  # as select_related would have found: there is no database here
    return job


def a_progress(permille: int, stage: str = "Generating", preview: int = 0) -> Progress:
    stages = tuple(StageProgress(id, id.title(), "waiting", 0) for id in STAGES)
    address = f"/jobs/{JOB}/preview/?v={preview}" if preview else ""
    return Progress("generate", stage, 10, permille, None, 12, address, stages)


def fragment(version: int, permille: int = 0, status: str = "running", id: UUID = JOB, **changes) -> str:
    context = {"job": a_job(version, status, id), "progress": replace(a_progress(permille), **changes), "video": None}
    return render_to_string("generation/partials/job.html", context)


def row(version: int, permille: int = 0, status: str = "running", id: UUID = JOB, ended: int = 0, **changes) -> Row:
    job = a_job(version, status, id)
    if ended:
        job.ended_at = datetime.fromtimestamp(ended, UTC)
        return Row(job, None, None)
    return Row(job, replace(a_progress(permille), **changes), None)


def row_fragment(*args, **changes) -> str:
    return render_to_string("generation/partials/active_row.html", {"row": row(*args, **changes)})


def a_panel(*rows: Row) -> Panel:
    active = tuple(row for row in rows if row.progress)
    ended = tuple(row for row in rows if not row.progress)
    counts = {"running": len(active), "done": len(ended)}
    return Panel(Counts(counts, sum(row.job.is_new for row in ended)), active, ended)


def panel_fragment(*rows: Row) -> str:
    return render_to_string("generation/partials/active_panel.html", {"panel": a_panel(*rows)})


class Page:
    """The jobs page of a user whose `jobs` are running, and the server's end of its socket."""

    def __init__(
        self,
        context,
        *,
        panel: Panel | None = None,
        script: str = "",
        alone: bool = False,
        jobs: tuple[UUID, ...] = (JOB,),
    ) -> None:
        self.sockets = []
        self.answers: dict[str, str | int] = {}  # HTML or an HTTP status
        self.problems: list[str] = []
        listed = [{"job": a_job(5, id=id), "progress": a_progress(300), "video": None} for id in jobs]
        page = {
            "user": PERSON,
            "jobs": listed,
            "jobs_panel": panel or a_panel(row(5, 300)),
            "csrf_token": "token-of-the-page",
        }
        page |= {"show": "all", "page": keyset.Page([], "", "")}
        page |= {"counts": Counts({"running": 1}, 0), "filters": [("all", 1), ("active", 1)]}
        template = "generation/job.html" if alone else "generation/jobs.html"
        with mock.patch.object(retention, "rule_of", return_value=None):  # there is no database here
            self.answers["/jobs/"] = render_to_string(template, page | listed[0])
        self.page = context.new_page()
        self.page.on("pageerror", lambda error: self.problems.append(str(error)))
        self.page.on("console", lambda line: self.problems.append(line.text) if line.type == "error" else None)
        self.page.add_init_script(script)
        self.page.route(f"{SITE}/**", self._answer)
        self.page.route_web_socket(re.compile("/ws/jobs/"), self._connected)
        self.page.goto(f"{SITE}/jobs/")
        self.job = self.page.locator(f"#job-{jobs[0]}")
        expect(self.page.locator("#offline")).to_be_hidden()
        self.wait_for_sockets(1)

    def _answer(self, route) -> None:
        path = urlsplit(route.request.url).path
        if path.startswith("/static/"):
            file = finders.find(path.removeprefix("/static/"))
            route.fulfill(path=file, content_type=mimetypes.guess_type(file)[0])
        elif isinstance(self.answers.get(path), int):
            route.fulfill(status=self.answers[path])
        elif path in self.answers:
            route.fulfill(body=self.answers[path], content_type="text/html")
        else:
            route.fulfill(status=204)

    def _connected(self, socket) -> None:
        self.sockets.append(socket)

    def wait_for_sockets(self, count: int) -> None:
        for _ in range(200):
            if len(self.sockets) >= count:
                return
            self.page.wait_for_timeout(50)
        raise AssertionError(f"{len(self.sockets)} connections, {count} expected")

    def send(self, *fragments: str) -> None:
        """Send one message and wait until the page has handled it."""
        before = self.page.evaluate("window.messages ?? (window.messages = 0)")
        self.page.evaluate(
            "window.counting ??= document.addEventListener('htmx:wsAfterMessage', () => window.messages++) ?? true"
        )
        self.sockets[-1].send("".join(fragments))
        self.page.wait_for_function("before => window.messages > before", arg=before)

    def listen(self):
        """Record screen reader announcements from now on; return a function that returns them."""
        self.page.evaluate(
            """() => {
                window.heard = [];
                const voice = document.querySelector('#announcer[role=status]');
                const note = () => voice.textContent && heard.push(voice.textContent);
                new MutationObserver(note).observe(voice, {childList: true, characterData: true, subtree: true});
            }"""
        )
        return lambda: self.page.evaluate("heard")

    def hide(self, hidden: bool = True) -> None:
        """Make the page believe that its tab was hidden, or shown again."""
        self.page.evaluate(
            """hidden => {
                Object.defineProperty(document, 'hidden', {configurable: true, get: () => hidden});
                document.dispatchEvent(new Event('visibilitychange'));
            }""",
            hidden,
        )

    def state(self) -> tuple[str, str, str]:
        return tuple(self.job.get_attribute(f"data-{name}") for name in ("version", "progress", "status"))


@contextmanager
def open_jobs_page(browser, **options):
    """Yield a `Page`; fail at the end if it logged errors."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    context.set_default_timeout(10_000)
    opened = Page(context, **options)
    yield opened
    context.close()
    assert opened.problems == []
