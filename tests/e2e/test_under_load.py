"""A site under load: what a person sees who is turned away, and what many open pages see when events get lost."""

import asyncio
import os
import signal
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager

import pytest
from playwright.sync_api import expect

from tests.e2e.creating import make
from tests.e2e.held_stages import wait_until
from tests.e2e.patience import until
from tests.e2e.test_watching import BEGIN, sign_in
from tests.rigs.many_browsers import Socket
from tests.site import Site

pytestmark = [pytest.mark.e2e, pytest.mark.thorough]

QUEUED = "SELECT COUNT(*) FROM generation_job"


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A site that works on one request at a time and keeps one page of each user live."""
    limits = {"AURAVIDEO_REQUESTS_AT_ONCE": "1", "AURAVIDEO_MAX_SOCKETS": "1", "AURAVIDEO_WEB_PROCESSES": "1"}
    site = Site(tmp_path_factory.mktemp("small") / "home", "", **limits).start()
    yield site
    assert site.stop() == 0


@pytest.fixture(params=["en-GB", "pl-PL"])
def context(browser, small, request):
    """A browser whose pages may log errors: they are turned away."""
    found = browser.new_context(base_url=small.url, locale=request.param)
    found.set_default_timeout(30_000)
    found.is_polish = request.param == "pl-PL"
    yield found
    found.close()


@contextmanager
def nothing_written(site: Site):
    """Hold the write lock of the database, so that a request that writes takes as long as the block."""
    with closing(sqlite3.connect(site.home / "db.sqlite3", timeout=20, isolation_level=None)) as database:
        database.execute("BEGIN IMMEDIATE")
        try:
            yield
        finally:
            database.execute("ROLLBACK")


def test_a_person_who_is_turned_away_loses_nothing_that_was_typed(context, small):
    first, second, third = (context.new_page() for _ in range(3))
    sign_in(first, small, 0)
    for page in (first, second, third):
        page.goto("/create/")
    first.locator("#id_prompt").fill("a red heart")
    second.locator("#id_prompt").fill('a "blue" star\nover the <sea>')
    expect(second.locator("#summary")).not_to_be_empty()
    ((before,),) = small.rows(QUEUED)
    with nothing_written(small):
        first.locator("#create-form").get_by_role("button").first.evaluate("button => button.form.requestSubmit()")
        third.locator("#id_prompt").fill("a green circle")  # asks for a summary
        busy = "Serwis jest teraz bardzo obciążony" if context.is_polish else "The site is very busy at the moment"
        expect(third.locator("#refused")).to_contain_text(busy)
        expect(third.locator("#id_prompt")).to_have_value("a green circle")
        second.locator("#create-form").evaluate("form => form.requestSubmit()")
        expect(second.locator("#refused")).to_contain_text(busy)
    wait_until(lambda: small.rows(QUEUED) == [(before + 1,)], "the first clip was not queued")
    make(second)
    expect(second.locator("#latest .job__prompt a").first).to_contain_text('a "blue" star over the <sea>')
    assert small.rows(QUEUED) == [(before + 2,)]


def test_a_page_too_many_asks_for_its_news(context, small):
    live, other = context.new_page(), context.new_page()
    (job,) = sign_in(live, small, 1)
    told = []
    live.on("websocket", lambda socket: socket.on("framereceived", lambda frame: told.append(frame)))
    live.goto(f"/jobs/{job}/")
    until(live, lambda: told, "it is told nothing")  # so it is the one that the site keeps live
    other.goto(f"/jobs/{job}/")
    expect(other.locator("#offline")).to_be_visible()
    expect(live.locator("#offline")).to_be_hidden()
    small.python(BEGIN.format(job=job))
    for page in (live, other):
        expect(page.locator(f"#job-{job}")).to_have_attribute("data-status", "running")


WATCHED = """
from accounts.models import User
from tests.factories import JobFactory
print(JobFactory(user=User.objects.get(username="operator")).pk)
"""
# What a worker does while Redis is away: the state changes, and no page is told.
SILENTLY = """
from generation.models import Job
Job.objects.filter(pk={job!r}).update(status="failed", version=7, error_id="internal", ended_at="2030-01-01T00:00Z")
"""


async def shown(port: int, session: str, job: str, text: str, opened: asyncio.Barrier) -> int:
    """Return 1 once a page shows `text`."""
    socket = await Socket.open(port, session, f"jobs={job}&language=en")
    is_first = True
    async for message in socket:
        if is_first:
            is_first = False
            await opened.wait()
        if text in message:
            return 1
    return 0


def test_the_last_state_reaches_every_page_of_every_process_though_its_event_was_lost(tmp_path):
    site = Site(tmp_path / "home", "", AURAVIDEO_WEB_PROCESSES="2").start()
    try:
        site.make_user()
        session = site.session_of("operator")
        job = site.python(WATCHED)
        with ThreadPoolExecutor(1) as thread:  # Playwright's event loop runs in this one
            assert thread.submit(asyncio.run, lose_an_event(site, session, job, pages=40)).result() == 40
    finally:
        assert site.stop() == 0


async def lose_an_event(site: Site, session: str, job: str, pages: int) -> int:
    opened = asyncio.Barrier(pages + 1)
    text = f'id="job-{job}" class="job" data-version="7"'
    tasks = [asyncio.create_task(shown(site.port, session, job, text, opened)) for _ in range(pages)]
    async with asyncio.timeout(120):
        await opened.wait()
        (redis,) = [pid for pid in site.processes() if is_redis(pid)]
        os.kill(redis, signal.SIGKILL)
        await asyncio.to_thread(site.python, SILENTLY.format(job=job))
        return sum(await asyncio.gather(*tasks))


def is_redis(pid: int) -> bool:
    with open(f"/proc/{pid}/cmdline", "rb") as file:
        return b"redis-server" in file.read()
