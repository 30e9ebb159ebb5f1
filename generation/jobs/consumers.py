"""WebSocket consumer, one connection per page: sends the current state of the page's jobs, then every change.

The socket's query string names the jobs that the page shows, and its language. Messages are HTML, rendered from the
page's own partials: the article of each job shown, and the panel that every page has. The pages of one user share the
work (generation/jobs/feed.py). A page that shows other jobs later says so, in the words of its query string.
"""

import logging
from typing import cast

from channels.consumer import get_handler_name
from channels.generic.websocket import AsyncWebsocketConsumer
from django.conf import settings

from accounts.http import Viewer
from auravideo.core.logs import ids
from auravideo.core.metrics import websockets
from generation.jobs.feed import BROKEN, UNAUTHENTICATED, Feed, feed_of
from generation.jobs.page_updates import View

logger = logging.getLogger(__name__)

TOO_MANY = 4429
MAX_BYTES = 8192  # of a message; the IDs of `page_updates.MAX_SHOWN` jobs take 3.7 kB


class JobsConsumer(AsyncWebsocketConsumer):
    """A connection that pushes a user's own jobs."""

    channel_layer_alias = "none"  # not configured: it is the feed that listens, once for all pages of a user
    feed: Feed | None = None

    async def dispatch(self, message: dict) -> None:
        """Handle messages at once; Channels would first wait for the thread in which the pages are rendered."""
        await getattr(self, get_handler_name(message))(message)

    async def connect(self) -> None:
        ids.new_connection()
        user = cast(Viewer, self.scope["user"])
        if not user.is_authenticated:
            await self.close(UNAUTHENTICATED)
            return
        await self.accept()
        feed = feed_of(user)
        if len(feed.pages) >= settings.MAX_SOCKETS:  # told after accepting, or the page would see no reason
            await self.close(TOO_MANY)
            return
        websockets.opened(self)
        self.feed = feed
        try:
            await feed.join(self, View(user, self.scope.get("query_string", b"")))
        except Exception:  # the page reconnects
            logger.exception("A page of user %s could not be connected", user.pk)
            await self.close(BROKEN)

    async def disconnect(self, code: int) -> None:
        websockets.closed(self)
        if self.feed is not None:
            await self.feed.leave(self)

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None, **_kwargs: object) -> None:
        """Take the query string of a page that shows other jobs than when it connected; ignore everything else."""
        if self.feed is not None and text_data and len(text_data) <= MAX_BYTES:
            self.feed.show(self, View(self.feed.user, text_data.encode()))
