"""WebSocket consumer, one connection per page: sends the current state of the page's jobs, then every change.

The socket's query string names the jobs that the page shows, and its language. Messages are HTML, rendered from the
page's own partials: the article of each job shown, and the panel that every page has.
"""

import asyncio
import logging
from typing import cast
from uuid import UUID

from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer

from accounts.http import Viewer
from auravideo.core.logs import ids
from auravideo.core.metrics import websockets
from generation.jobs.page_updates import View
from generation.queue.events import group_of

logger = logging.getLogger(__name__)

REFRESH_SECONDS = 15
UNAUTHENTICATED = 4401
BROKEN = 1011
COME_BACK = 1012


class JobsConsumer(AsyncWebsocketConsumer):
    """A connection that pushes a user's own jobs. Changes that arrive while sending are batched."""

    async def connect(self) -> None:
        ids.new_connection()
        self.user = cast(Viewer, self.scope["user"])
        self.tasks: dict[str, asyncio.Task] = {}
        if not self.user.is_authenticated:
            await self.close(UNAUTHENTICATED)
            return
        self.view = View(self.user, self.scope.get("query_string", b""))
        self.changed: set[UUID] = set()
        await self.channel_layer.group_add(group_of(self.user.pk), self.channel_name)
        await self.accept()
        websockets.opened(self)
        await self.send(await database_sync_to_async(self.view.present)())
        self.tasks["refresh"] = asyncio.create_task(self._refresh())

    async def disconnect(self, code: int) -> None:
        websockets.closed(self)
        for task in self.tasks.values():
            task.cancel()
        if self.user.is_authenticated:
            await self.channel_layer.group_discard(group_of(self.user.pk), self.channel_name)

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None, **_kwargs: object) -> None:
        """Ignore messages from the page."""

    async def dispatch(self, message: dict) -> None:
        """Record changes at once; Channels would first wait for the thread that is reading the previous ones."""
        if message["type"] == "jobs.changed":  # sent by events.publish
            self._push({UUID(job_id) for job_id in message["jobs"]})
        else:
            await super().dispatch(message)

    async def person_left(self, _message: dict) -> None:
        """Close the connection: the account was closed (sent by events.cut_off)."""
        await self.close(UNAUTHENTICATED)

    async def session_ended(self, _message: dict) -> None:
        """Close the connection; users still signed in may reconnect (sent by events.hang_up)."""
        await self.close(COME_BACK)

    def _push(self, job_ids: set[UUID]) -> None:
        self.changed |= job_ids
        running = self.tasks.get("send")
        if self.changed and (running is None or running.done()):
            self.tasks["send"] = asyncio.create_task(self._send_changes())

    async def _send_changes(self) -> None:
        try:
            while self.changed:
                job_ids, self.changed = self.changed, set()
                if html := await database_sync_to_async(self.view.changes)(job_ids):
                    await self.send(html)
        except Exception:  # the page reconnects and gets the current state
            logger.exception("Job changes of user %s could not be sent", self.user.pk)
            await self.close(BROKEN)

    async def _refresh(self) -> None:
        """Refresh waiting jobs regularly: other users' jobs move their queue places without an event for this page."""
        while True:
            await asyncio.sleep(REFRESH_SECONDS)
            self._push(set(self.view.waiting))
