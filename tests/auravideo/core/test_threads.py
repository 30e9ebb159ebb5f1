"""Under ASGI, a request changes its thread once, not once for every middleware."""

import asyncio
import inspect

import pytest
from asgiref.sync import SyncToAsync
from django.core.handlers.asgi import ASGIHandler
from django.urls import get_resolver
from django.urls.resolvers import URLResolver

MOST = 8  # signals, the request itself, its view, its template, closing the response; it was 22


@pytest.mark.django_db(transaction=True)
async def test_a_request_changes_its_thread_a_few_times_only(monkeypatch):
    changes = []
    call = SyncToAsync.__call__

    async def count(self, *args, **kwargs):
        changes.append(self.func)
        return await call(self, *args, **kwargs)

    monkeypatch.setattr(SyncToAsync, "__call__", count)
    assert await status_of("/accounts/login/") == 200
    assert 1 <= len(changes) <= MOST, changes


async def status_of(path: str) -> int:
    scope = {"type": "http", "method": "GET", "path": path, "query_string": b"", "headers": [(b"host", b"127.0.0.1")]}
    asked, sent = asyncio.Event(), []

    async def receive():
        if asked.is_set():  # what comes next is the end of the connection
            await asyncio.Event().wait()
        asked.set()
        return {"type": "http.request", "body": b""}

    async def send(message):
        sent.append(message)

    await ASGIHandler()(scope, receive, send)
    return sent[0]["status"]


def views(resolver: URLResolver) -> list:
    found = []
    for pattern in resolver.url_patterns:
        found += views(pattern) if isinstance(pattern, URLResolver) else [pattern.callback]
    return found


def test_no_view_is_asynchronous():
    found = views(get_resolver())
    assert len(found) > 50
    assert [view for view in found if inspect.iscoroutinefunction(view)] == []
