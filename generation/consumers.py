"""One WebSocket a page: the present state of what a person's page shows, then every change of it."""

from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer
from django.template.loader import render_to_string

from generation.events import group_of
from generation.rendering import job_fragment
from generation.selectors import active_jobs_of, jobs_of

MAX_SHOWN = 48
RECENT = 24
UNAUTHENTICATED = 4401


class JobsConsumer(AsyncWebsocketConsumer):
    """Pushes a person's own jobs, as the partial that their pages use; a page ignores those it does not show."""

    async def connect(self) -> None:
        self.user = self.scope["user"]
        if not self.user.is_authenticated:
            await self.close(UNAUTHENTICATED)
            return
        await self.channel_layer.group_add(group_of(self.user.pk), self.channel_name)
        await self.accept()
        await self.send(await self._present())

    async def disconnect(self, code: int) -> None:
        if self.user.is_authenticated:
            await self.channel_layer.group_discard(group_of(self.user.pk), self.channel_name)

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None, **_kwargs: object) -> None:
        """What the page sends is not read."""

    async def job_changed(self, event: dict) -> None:
        """Sent by events.publish."""
        await self.send(await self._fragments([event["job"]]))

    async def person_left(self, _event: dict) -> None:
        """Sent by events.hang_up: the account was closed, so that the session of this page has ended."""
        await self.close(UNAUTHENTICATED)

    @database_sync_to_async
    def _present(self) -> str:
        """What moves now, and what moved last: it may have ended while the page was away."""
        active = active_jobs_of(self.user).values_list("pk", flat=True)[:MAX_SHOWN]
        recent = jobs_of(self.user).order_by("-touched_at").values_list("pk", flat=True)[:RECENT]
        return self._render({*active, *recent})

    @database_sync_to_async
    def _fragments(self, job_ids: list[str]) -> str:
        return self._render(set(job_ids))

    def _render(self, job_ids: set) -> str:
        found = jobs_of(self.user).filter(pk__in=job_ids)
        count = active_jobs_of(self.user).count()
        panel = render_to_string("generation/partials/active.html", {"active_jobs": count, "oob": True})
        return "".join(job_fragment(job) for job in found) + panel
