"""What the open pages of all users need next, read and rendered in rounds, in the one thread that sockets use.

Under load, a round serves many users with the queries of one. A round is short, so that nobody waits for everybody.
"""

import asyncio
import logging
import time
from contextvars import Context
from dataclasses import dataclass, field
from typing import Any, Protocol
from uuid import UUID

from asgiref.sync import sync_to_async
from django.db import close_old_connections, connections

from accounts.models import User
from generation.jobs import snapshot
from generation.jobs.page_updates import View
from generation.jobs.snapshot import Snapshot

logger = logging.getLogger(__name__)

USERS_A_ROUND = 16


@dataclass
class Errand:
    """What a user's pages need: `newcomers` all, `others` the `changed` jobs and, if `is_refresh`, what they lack."""

    user: User
    changed: set[UUID]
    is_refresh: bool = False
    newcomers: dict[Any, View] = field(default_factory=dict)
    others: dict[Any, View] = field(default_factory=dict)

    def wanted(self) -> set[UUID]:
        """Return the jobs that certainly have to be read."""
        found = set().union(*(view.shown for view in self.newcomers.values()))
        for view in self.others.values():
            found |= view.wanted(self.changed)
            found |= view.moving() if self.is_refresh else set()
        return found

    def known(self) -> set[UUID]:
        """Return the jobs whose versions are to be compared."""
        return set().union(*(view.versions for view in self.others.values()))


@dataclass
class Reply:
    """The HTML for each page, or the error; `seconds` is what it took."""

    html: dict[Any, str]
    seconds: float = 0.0
    error: Exception | None = None


class Customer(Protocol):
    """Whose errands the desk does."""

    user: User

    def take(self) -> Errand: ...
    async def deliver(self, reply: Reply) -> None: ...


class Desk:
    """Does errands in the order in which they were asked for, each customer once a round."""

    def __init__(self) -> None:
        self._waiting: dict[Customer, None] = {}
        self._work: asyncio.Task | None = None

    def ask(self, customer: Customer) -> None:
        """Do the customer's errand soon; asking again before that changes nothing."""
        self._waiting[customer] = None
        if self._work is None or self._work.done():
            # In a context of its own: the log lines are not about the page that happened to ask first.
            self._work = asyncio.get_running_loop().create_task(self._do(), context=Context())

    async def _do(self) -> None:
        while self._waiting:
            await self._round()
            if not self._waiting:
                await sync_to_async(close_old_connections)()  # somebody may ask in the meantime

    async def _round(self) -> None:
        customers = list(self._waiting)[:USERS_A_ROUND]
        for customer in customers:
            del self._waiting[customer]
        replies = await sync_to_async(do)([customer.take() for customer in customers])
        for customer, reply in zip(customers, replies, strict=True):
            try:
                await customer.deliver(reply)
            except Exception:  # nothing of one user's may keep the others waiting
                logger.exception("The pages of user %s could not be served", customer.user.pk)


def do(errands: list[Errand]) -> list[Reply]:
    """Read for all errands together, then render each. The connection stays open for the next round."""
    began = time.perf_counter()
    snapshots = [Snapshot(errand.user) for errand in errands]
    try:
        pairs = list(zip(snapshots, errands, strict=True))
        snapshot.read([(found, errand.wanted()) for found, errand in pairs])
        snapshot.read_versions([(found, errand.known()) for found, errand in pairs if errand.is_refresh])
        snapshot.read_panels([found for found, errand in pairs if errand.newcomers])
    except Exception as error:
        connections.close_all()
        return [Reply({}, error=error) for _ in errands]
    share = (time.perf_counter() - began) / max(1, len(errands))
    return [_do(errand, found, share) for errand, found in zip(errands, snapshots, strict=True)]


def _do(errand: Errand, found: Snapshot, share: float) -> Reply:
    began = time.perf_counter()
    try:
        html = {page: view.present(found) for page, view in errand.newcomers.items()}
        for page, view in errand.others.items():
            refreshed = view.refresh(found) if errand.is_refresh else ""
            html[page] = (view.changes(errand.changed, found) if errand.changed else "") + refreshed
    except Exception as error:
        connections.close_all()
        return Reply({}, error=error)
    return Reply(html, share + time.perf_counter() - began)
