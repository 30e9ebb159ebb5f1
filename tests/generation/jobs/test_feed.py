"""The pages of one user share the work, and whatever happens to the events, the last state reaches every page."""

import asyncio

import pytest
import redis
from asgiref.sync import sync_to_async
from channels.layers import get_channel_layer
from django.conf import settings
from django.utils import timezone

from generation.domain.states import Status
from generation.jobs import feed, snapshot
from generation.jobs.feed import feed_of
from generation.jobs.page_updates import View
from generation.models import Job
from generation.queue import events, services
from tests.factories import JobFactory, UserFactory

pytestmark = pytest.mark.django_db(transaction=True)

new_user = sync_to_async(UserFactory)
new_job = sync_to_async(JobFactory)
PATIENCE = 10


class Page:
    """An open page that notes what it is sent."""

    def __init__(self, user, *jobs, language: str = "en") -> None:
        self.view = View(user, f"jobs={','.join(str(job.pk) for job in jobs)}&language={language}".encode())
        self.feed = feed_of(user)
        self.messages: list[str] = []
        self.code = 0
        self._news, self._closed = asyncio.Event(), asyncio.Event()

    async def open(self) -> "Page":
        await self.feed.join(self, self.view)
        await self.shows("")
        return self

    async def send(self, text_data: str) -> None:
        self.messages.append(text_data)
        self._news.set()

    async def close(self, code: int) -> None:
        self.code = code
        self._closed.set()
        await self.feed.leave(self)

    async def is_closed(self) -> int:
        """Return the code once the page is closed."""
        async with asyncio.timeout(PATIENCE):
            await self._closed.wait()
        return self.code

    async def shows(self, text: str) -> None:
        """Return once a message contains `text`."""
        async with asyncio.timeout(PATIENCE):
            while not any(text in message for message in self.messages):
                self._news.clear()
                await self._news.wait()


class BrokenPage(Page):
    async def send(self, text_data: str) -> None:
        await super().send(text_data)
        if len(self.messages) > 1:
            raise ConnectionError("gone")


async def leave(*pages: Page) -> None:
    for page in pages:
        await page.close(1000)


def subscribers(user) -> int:
    client = redis.Redis.from_url(settings.REDIS_EVENTS_URL)
    return client.pubsub_numsub(f"asgi__group__{events.group_of(user.pk)}")[0][1]


async def test_any_number_of_pages_of_one_user_are_read_and_rendered_once(monkeypatch):
    user = await new_user()
    job = await new_job(user=user)
    rendered, read = [], []
    for name, noted in (("job_fragment", rendered), ("place_all", read)):
        monkeypatch.setattr(snapshot, name, noting(getattr(snapshot, name), noted))
    pages = [await Page(user, job).open() for _ in range(20)]
    rendered.clear()
    read.clear()
    await sync_to_async(services.cancel)(job)
    for page in pages:
        await page.shows('data-status="cancelled"')
    assert (len(rendered), len(read)) == (1, 1)
    assert await sync_to_async(subscribers)(user) == 1
    await leave(*pages)


def noting(function, noted: list):
    def note(*args, **kwargs):
        noted.append(args)
        return function(*args, **kwargs)

    return note


async def test_each_page_gets_its_own_language_and_its_own_jobs():
    user = await new_user()
    first, second = await new_job(user=user), await new_job(user=user)
    english, polish = await Page(user, first).open(), await Page(user, second, language="pl").open()
    await sync_to_async(services.cancel)(first)
    await sync_to_async(services.cancel)(second)
    await english.shows(f'id="job-{first.pk}" class="job" data-version="2"')
    await polish.shows(f'id="job-{second.pk}" class="job" data-version="2"')
    assert "Cancelled" in english.messages[-1]
    assert "Anulowan" in polish.messages[-1]
    assert f'id="job-{second.pk}"' not in "".join(english.messages)
    await leave(english, polish)


async def test_a_flood_of_events_becomes_a_few_messages_and_the_last_state_arrives():
    user = await new_user()
    job = await new_job(user=user)
    page = await Page(user, job).open()
    for _ in range(200):
        await sync_to_async(services.warn)(job, [])  # raises the version
        await sync_to_async(events.publish)(user.pk, job.pk)
    await page.shows('data-version="201"')
    assert len(page.messages) < 100
    await leave(page)


@pytest.fixture
def often(monkeypatch):
    """Let every feed compare its pages with the database often."""
    monkeypatch.setattr(feed, "REFRESH_SECONDS", 0.1)


@pytest.mark.usefixtures("often")
async def test_what_no_event_told_arrives_all_the_same():
    user = await new_user()
    job, running = await new_job(user=user), await new_job(user=user)
    page = await Page(user, job).open()
    silently = sync_to_async(lambda pk, **changes: Job.objects.filter(pk=pk).update(**changes))
    await silently(job.pk, status=Status.DONE, ended_at=timezone.now(), version=2)
    await page.shows(f'id="job-{job.pk}" class="job" data-version="2"')
    unheard = await new_job(user=user)
    await page.shows(f'id="active-{unheard.pk}"')
    await silently(job.pk, removed_at=timezone.now())
    await page.shows(f'<article id="job-{job.pk}" class="job" data-gone>')
    await silently(running.pk, status=Status.RUNNING, version=2)
    await page.shows(f'id="active-{running.pk}" class="active__row" data-merge data-version="2"')
    await leave(page)


@pytest.mark.usefixtures("often")
async def test_a_page_to_which_nothing_happens_is_sent_nothing():
    user = await new_user()
    done = await new_job(user=user, status=Status.DONE, ended_at=timezone.now())
    waiting = await new_job(user=user)
    page = await Page(user, done, waiting).open()
    taken = []
    page.feed.take = noting(page.feed.take, taken)
    async with asyncio.timeout(PATIENCE):
        while len(taken) < 3:
            await asyncio.sleep(0.02)
    assert len(page.messages) == 1
    await leave(page)


async def test_a_page_that_breaks_harms_no_other(caplog):
    user = await new_user()
    job = await new_job(user=user)
    broken, sound = await BrokenPage(user, job).open(), await Page(user, job).open()
    await sync_to_async(services.cancel)(job)
    await sound.shows('data-version="2"')
    assert await broken.is_closed() == feed.BROKEN
    assert "could not be sent its changes" in caplog.text
    await leave(sound)


async def test_an_error_of_one_user_harms_no_other(monkeypatch):
    alice, bob = await new_user(), await new_user()
    theirs = {user.pk: await new_job(user=user) for user in (alice, bob)}
    hers, his = await Page(alice, theirs[alice.pk]).open(), await Page(bob, theirs[bob.pk]).open()
    changes = View.changes

    def fail(view, job_ids, found):
        if view.user == alice:
            raise ConnectionError("no database")
        return changes(view, job_ids, found)

    monkeypatch.setattr(View, "changes", fail)
    for job in theirs.values():
        await sync_to_async(services.cancel)(job)
    await his.shows('data-version="2"')
    assert await hers.is_closed() == feed.BROKEN
    await leave(his)


async def test_the_last_page_to_leave_ends_the_subscription():
    user = await new_user()
    pages = [await Page(user).open() for _ in range(2)]
    await leave(pages[0])
    assert await sync_to_async(subscribers)(user) == 1
    await leave(pages[1])
    async with asyncio.timeout(PATIENCE):
        while await sync_to_async(subscribers)(user):
            await asyncio.sleep(0.02)
    assert feed_of(user) is not pages[0].feed


async def test_a_page_that_leaves_while_it_is_connected_leaves_nothing_behind():
    user = await new_user()
    page = Page(user)
    joining = asyncio.create_task(page.feed.join(page, page.view))
    await asyncio.sleep(0)
    await page.feed.leave(page)
    await joining
    assert page.feed.pages == {}
    async with asyncio.timeout(PATIENCE):
        while await sync_to_async(subscribers)(user):
            await asyncio.sleep(0.02)


async def test_an_event_that_cannot_be_read_is_logged_and_the_next_one_arrives(caplog):
    user = await new_user()
    job = await new_job(user=user)
    page = await Page(user, job).open()
    layer = get_channel_layer()
    for nonsense in ({"type": "jobs.changed", "jobs": ["nonsense"]}, {"type": "jobs.changed"}, {"type": "of.later"}):
        await layer.group_send(events.group_of(user.pk), nonsense)
    await sync_to_async(services.cancel)(job)
    await page.shows('data-version="2"')
    assert caplog.text.count("could not be read") == 2
    await leave(page)


async def test_many_pages_of_one_user_are_sent_less_often(monkeypatch):
    """Sending takes time, and one user's pages may take only a share of it."""
    monkeypatch.setattr(feed, "SHARE", 0.0001)
    monkeypatch.setattr(feed, "SLOWEST_SECONDS", 0.5)
    user = await new_user()
    job = await new_job(user=user)
    page = await Page(user, job).open()
    began = asyncio.get_running_loop().time()
    await sync_to_async(services.cancel)(job)
    await page.shows('data-version="2"')
    assert asyncio.get_running_loop().time() - began > 0.3
    await leave(page)
