"""The open pages of each user in this process, which share one subscription, one reading and one rendering.

An event only notes which jobs changed. What is sent is read when it is sent, so any number of events become one
message, and the newest state always arrives. The next refresh makes up for events that were lost on the way.
"""

import asyncio
import logging
import math
import random
import time
from typing import Any, Protocol
from uuid import UUID
from weakref import WeakKeyDictionary

from channels.layers import get_channel_layer

from accounts.models import User
from generation.jobs.desk import Desk, Errand, Reply
from generation.jobs.page_updates import View
from generation.queue.events import group_of

logger = logging.getLogger(__name__)

REFRESH_SECONDS = 15.0  # how often a user's pages are compared with the database
TICK = 0.5  # seconds; the users that are due in the same one are read together
FASTEST_SECONDS = 0.1  # between two messages to a page
SHARE = 0.25  # of a process's time that one user's pages may take, however many they are
SLOWEST_SECONDS = 1.0  # between two messages, even then

UNAUTHENTICATED = 4401
BROKEN = 1011
COME_BACK = 1012


class Page(Protocol):
    """The connection of an open page."""

    async def send(self, text_data: str) -> None: ...
    async def close(self, code: int) -> None: ...


class Feed:
    """The open pages of one user. Get it with `feed_of`."""

    def __init__(self, user: User, desk: Desk) -> None:
        self.user = user
        self.pages: dict[Page, View] = {}
        self._desk = desk
        self._joining: set[Page] = set()
        self._newcomers: set[Page] = set()
        self._changed: set[UUID] = set()
        self._is_refreshing = False
        self._earliest = 0.0  # the next message, by the monotonic clock
        self._timer: asyncio.TimerHandle | None = None
        self._refresher: asyncio.TimerHandle | None = None
        self._opening = asyncio.Lock()
        self._listener: asyncio.Task | None = None

    async def join(self, page: Page, view: View) -> None:
        """Send a page the present state, and from then on every change. Listens first, so that nothing is missed."""
        self.pages[page] = view
        self._joining.add(page)
        try:
            await self._listen()
        except BaseException:
            await self.leave(page)
            raise
        self._joining.discard(page)
        if page not in self.pages:  # it left in the meantime
            await self.leave(page)
            return
        self._newcomers.add(page)
        self._desk.ask(self)

    def show(self, page: Page, view: View) -> None:
        """Send a page that shows other jobs now their present state, soon, and from then on every change of theirs."""
        if page not in self.pages:
            return
        self.pages[page] = view
        if page not in self._joining:
            self._newcomers.add(page)
            self._send_soon()  # not at once, like `join`: a page may say so as often as it likes

    async def leave(self, page: Page) -> None:
        """Forget a page. The last one ends the subscription."""
        self.pages.pop(page, None)
        self._joining.discard(page)
        self._newcomers.discard(page)
        if not self.pages:
            _forget(self)
            for handle in (self._timer, self._refresher, self._listener):
                if handle is not None:
                    handle.cancel()

    async def _listen(self) -> None:
        async with self._opening:
            if self._listener is not None:
                return
            layer: Any = get_channel_layer()
            channel = await layer.new_channel()
            await layer.group_add(group_of(self.user.pk), channel)
            self._listener = asyncio.create_task(self._receive(layer, channel))
            await asyncio.sleep(0)  # a task that is cancelled before it begins would not end the subscription
            self._refresh_later()

    async def _receive(self, layer: Any, channel: str) -> None:
        try:
            while True:
                message = await layer.receive(channel)
                try:
                    await self._hear(message)
                except Exception:  # another version's; the next refresh makes up for it
                    logger.exception("An event of user %s could not be read: %r", self.user.pk, message)
        finally:
            await layer.group_discard(group_of(self.user.pk), channel)

    async def _hear(self, message: dict[str, Any]) -> None:
        match message["type"]:  # sent by generation.queue.events
            case "jobs.changed":
                self._changed |= {UUID(job_id) for job_id in message["jobs"]}
                self._send_soon()
            case "session.ended":  # users still signed in may reconnect
                await self._close(COME_BACK)
            case "person.left":
                await self._close(UNAUTHENTICATED)

    def _send_soon(self) -> None:
        if self._timer is None:
            pause = max(0.0, self._earliest - time.monotonic())
            self._timer = asyncio.get_running_loop().call_later(pause, self._send)

    def _send(self) -> None:
        self._timer = None
        self._desk.ask(self)

    def _refresh_later(self) -> None:
        if self._refresher is not None:
            self._refresher.cancel()
        loop = asyncio.get_running_loop()
        due = loop.time() + REFRESH_SECONDS * random.uniform(0.8, 1.2)  # noqa: S311  pages opened together: not together
        self._refresher = loop.call_at(math.ceil(due / TICK) * TICK, self._refresh)

    def _refresh(self) -> None:
        self._is_refreshing = True
        self._desk.ask(self)
        self._refresh_later()

    def take(self) -> Errand:
        """Return what to read now, and start collecting again."""
        errand = Errand(self.user, self._changed, self._is_refreshing)
        errand.newcomers = {page: self.pages[page] for page in self._newcomers}
        others = self.pages.keys() - self._newcomers - self._joining
        errand.others = {page: self.pages[page] for page in others}
        self._newcomers, self._changed, self._is_refreshing = set(), set(), False
        return errand

    async def deliver(self, reply: Reply) -> None:
        """Send each page its HTML. One that is gone, or breaks, harms no other."""
        began = time.monotonic()
        if reply.error is not None:  # the pages reconnect and get the present state
            logger.error("Job changes of user %s could not be sent", self.user.pk, exc_info=reply.error)
            await self._close(BROKEN)
            return
        for page, html in reply.html.items():
            if html and page in self.pages:
                await self._attempt(page, html)
        cost = reply.seconds + time.monotonic() - began
        self._earliest = time.monotonic() + min(SLOWEST_SECONDS, max(FASTEST_SECONDS, cost / SHARE))

    async def _attempt(self, page: Page, html: str) -> None:
        try:
            await page.send(html)
        except Exception:
            logger.exception("A page of user %s could not be sent its changes", self.user.pk)
            await page.close(BROKEN)

    async def _close(self, code: int) -> None:
        for page in list(self.pages):
            await page.close(code)


_feeds: "WeakKeyDictionary[asyncio.AbstractEventLoop, dict[int, Feed]]" = WeakKeyDictionary()
_desks: "WeakKeyDictionary[asyncio.AbstractEventLoop, Desk]" = WeakKeyDictionary()


def feed_of(user: User) -> Feed:
    """Return the feed of a user in this process."""
    loop = asyncio.get_running_loop()
    feeds = _feeds.setdefault(loop, {})
    if user.pk not in feeds:
        feeds[user.pk] = Feed(user, _desks.setdefault(loop, Desk()))
    return feeds[user.pk]


def _forget(feed: Feed) -> None:
    feeds = _feeds.get(asyncio.get_running_loop(), {})
    if feeds.get(feed.user.pk) is feed:
        del feeds[feed.user.pk]
