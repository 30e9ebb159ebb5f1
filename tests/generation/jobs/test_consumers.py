"""The WebSocket: sends the current state on connect, then every change to the user's own jobs only."""

import asyncio

import pytest
from asgiref.sync import sync_to_async
from channels.layers import get_channel_layer
from channels.testing import WebsocketCommunicator
from django.urls import reverse
from django.utils import timezone

from accounts import services as accounts
from generation.domain.states import Stage, Status
from generation.jobs import archive, feed
from generation.jobs.consumers import JobsConsumer
from generation.jobs.page_updates import View
from generation.queue import claims, events, services
from tests.factories import JobFactory, UserFactory

pytestmark = pytest.mark.django_db(transaction=True)

new_user = sync_to_async(UserFactory)
new_job = sync_to_async(JobFactory)


def socket_of(user, *shown, language: str = "en") -> WebsocketCommunicator:
    jobs = ",".join(str(job.pk) for job in shown)
    communicator = WebsocketCommunicator(JobsConsumer.as_asgi(), f"/ws/jobs/?jobs={jobs}&language={language}")
    communicator.scope["user"] = user
    return communicator


async def present(socket) -> str:
    """Connect, and return the first message."""
    assert (await socket.connect())[0]
    return await socket.receive_from()


async def test_anonymous_connections_are_rejected():
    from django.contrib.auth.models import AnonymousUser

    connected, code = await socket_of(AnonymousUser()).connect()
    assert not connected
    assert code == 4401


async def test_connecting_sends_the_current_state_of_the_page_and_the_panel():
    user = await new_user()
    waiting, failed, elsewhere = [await new_job(user=user) for _ in range(3)]
    await sync_to_async(services.fail)(failed, 1, "internal", {})
    socket = socket_of(user, waiting, failed)
    html = await present(socket)
    assert f'id="job-{waiting.pk}"' in html
    assert f'id="job-{failed.pk}"' in html
    assert f'id="job-{elsewhere.pk}"' not in html
    assert f'id="active-{elsewhere.pk}"' in html
    assert 'id="active-jobs"' in html
    await socket.disconnect()


async def test_a_change_arrives_with_its_version():
    user = await new_user()
    job = await new_job(user=user)
    socket = socket_of(user, job)
    await present(socket)
    await sync_to_async(services.cancel)(job)
    html = await socket.receive_from()
    assert f'id="job-{job.pk}"' in html
    assert 'data-version="2"' in html
    await socket.disconnect()


async def test_a_job_that_came_after_the_page_was_opened_appears_in_the_panel():
    user = await new_user()
    socket = socket_of(user)
    await present(socket)
    request = (await new_job()).render_request
    job = await sync_to_async(services.submit)(user, request)
    assert f'id="active-{job.pk}"' in await socket.receive_from()
    await socket.disconnect()


async def test_a_page_that_shows_a_job_later_says_so_and_follows_it_from_then_on():
    user, stranger = await new_user(), await new_user()
    first = await new_job(user=user)
    socket = socket_of(user, first)
    await present(socket)
    job, theirs = await new_job(user=user), await new_job(user=stranger)
    await socket.send_to(f"jobs={first.pk},{job.pk},{theirs.pk}&language=pl")
    html = await socket.receive_from()
    for shown in (first, job):
        assert f'id="job-{shown.pk}"' in html
    assert str(theirs.pk) not in html
    assert 'data-say="Czeka"' in html
    await sync_to_async(services.cancel)(job)
    assert f'id="job-{job.pk}"' in await socket.receive_from()
    await socket.disconnect()


@pytest.mark.parametrize("text", ["nonsense", "jobs=x" * 20_000, '{"jobs": 1}'])
async def test_what_a_page_says_is_bounded_and_breaks_nothing(text):
    user = await new_user()
    job = await new_job(user=user)
    socket = socket_of(user, job)
    await present(socket)
    await socket.send_to(text)
    await socket.send_to(f"jobs={job.pk}&language=en")
    await sync_to_async(services.cancel)(job)
    while 'data-status="cancelled"' not in await socket.receive_from():
        pass
    await socket.disconnect()


async def test_closing_the_page_stops_nothing_and_reopening_shows_the_current_state():
    user = await new_user()
    job = await new_job(user=user)
    socket = socket_of(user, job)
    assert 'data-status="queued"' in await present(socket)
    await socket.disconnect()
    await sync_to_async(finish_stages)(job)
    again = socket_of(user, job)
    html = await present(again)
    assert 'data-status="queued"' not in html
    assert 'data-say="Generating"' in html
    await sync_to_async(services.transition)(job, Status.DONE, ended_at=timezone.now())
    assert 'data-status="done"' in await again.receive_from()
    await again.disconnect()


def finish_stages(job) -> None:
    claims.finish(claims.claim(job.pk, 1, Stage.PREPROCESS, 0, "worker"), {})
    claims.beat(claims.claim(job.pk, 1, Stage.GENERATE, 0, "worker"), 1, 2)


async def test_a_removed_job_leaves_every_open_page():
    user = await new_user()
    job = await new_job(user=user, status=Status.DONE, ended_at=timezone.now())
    on_list, elsewhere = socket_of(user, job), socket_of(user)
    for socket in (on_list, elsewhere):
        assert f'id="active-{job.pk}"' in await present(socket)
    await sync_to_async(archive.remove)(job)
    html = await on_list.receive_from()
    assert f'<article id="job-{job.pk}" class="job" data-gone>' in html
    assert f"active-{job.pk}" not in html
    assert str(job.pk) not in await elsewhere.receive_from()
    for socket in (on_list, elsewhere):
        await socket.disconnect()
    assert "data-progress" not in await present(socket_of(user, job))


async def test_a_job_seen_on_one_page_is_seen_on_all():
    user = await new_user()
    job = await new_job(user=user, status=Status.FAILED, ended_at=timezone.now())
    socket = socket_of(user)
    assert 'data-new="1"' in await present(socket)
    await sync_to_async(archive.mark_seen)(user, [job.pk])
    assert 'data-new="0"' in await socket.receive_from()
    await socket.disconnect()


async def test_users_get_no_updates_of_other_users_jobs():
    alice, bob = await new_user(), await new_user()
    job = await new_job(user=alice)
    socket = socket_of(bob, job)  # the URL asks for Alice's job
    assert str(job.pk) not in await present(socket)
    await sync_to_async(services.cancel)(job)
    assert await socket.receive_nothing(timeout=0.3)
    await sync_to_async(events.publish)(bob.pk, job.pk)  # even a misrouted event reveals nothing
    html = await socket.receive_from()
    assert job.request["prompt"] not in html
    assert "data-version" not in html
    await socket.disconnect()


async def test_updates_use_the_language_of_the_page(monkeypatch):
    languages = []
    monkeypatch.setattr("generation.jobs.page_updates.translation.override", note_language(languages))
    socket = socket_of(await new_user(), language="pl")
    await present(socket)
    assert languages == ["pl"]
    await socket.disconnect()


def note_language(languages: list):
    from django.utils import translation

    original = translation.override

    def override(language, *args):
        languages.append(language)
        return original(language, *args)

    return override


async def test_rapid_changes_are_batched(monkeypatch):
    user = await new_user()
    job = await new_job(user=user)
    socket = socket_of(user, job)
    await present(socket)
    asked = []
    slow = slowed(View.changes, asked)
    monkeypatch.setattr(View, "changes", slow)
    for _ in range(20):
        await get_channel_layer().group_send(events.group_of(user.pk), {"type": "jobs.changed", "jobs": [str(job.pk)]})
    await socket.receive_from(timeout=30)  # a busy machine takes its time
    messages = 1
    while not await socket.receive_nothing(timeout=1):
        await socket.receive_from()
        messages += 1
    assert messages == len(asked) < 20
    await socket.disconnect()


def slowed(changes, asked: list):
    import time

    def slow(view, job_ids, snapshot):
        asked.append(job_ids)
        time.sleep(0.2)
        return changes(view, job_ids, snapshot)

    return slow


async def test_a_server_error_closes_the_socket_so_that_the_page_reconnects(monkeypatch, caplog):
    user = await new_user()
    job = await new_job(user=user)
    socket = socket_of(user, job)
    await present(socket)

    def fail(view, job_ids, snapshot):
        raise ConnectionError("no database")

    monkeypatch.setattr(View, "changes", fail)
    await sync_to_async(events.publish)(user.pk, job.pk)
    assert (await socket.receive_output())["code"] == feed.BROKEN
    assert "could not be sent" in caplog.text
    await socket.disconnect()


async def test_signing_out_ends_the_connections_of_every_open_page(client):
    user, other = await new_user(), await new_user()
    socket, stranger = socket_of(user), socket_of(other)
    await present(socket)
    await present(stranger)
    await sync_to_async(client.force_login)(user)
    await sync_to_async(client.logout)()
    assert (await socket.receive_output())["code"] == feed.COME_BACK
    assert await stranger.receive_nothing(timeout=0.3)
    await stranger.disconnect()


async def test_the_place_in_the_queue_follows_other_peoples_jobs(monkeypatch):
    monkeypatch.setattr(feed, "REFRESH_SECONDS", 0.1)
    alice, bob = await new_user(), await new_user()
    first, mine = await new_job(user=alice), await new_job(user=bob)
    socket = socket_of(bob, mine)
    assert "Place 2 in the queue" in await present(socket)
    await sync_to_async(services.cancel)(first)
    async with asyncio.timeout(5):
        while "Place 1 in the queue" not in await socket.receive_from():
            pass
    await socket.disconnect()


async def test_a_page_too_many_is_told_so_and_gets_its_socket_when_another_closes(settings):
    settings.MAX_SOCKETS = 2
    user, other = await new_user(), await new_user()
    first, second, third = [socket_of(user) for _ in range(3)]
    await present(first)
    await present(second)
    assert (await third.connect())[0]  # a browser sees no code of a connection that was never accepted
    assert (await third.receive_output())["code"] == 4429
    stranger = socket_of(other)
    await present(stranger)
    await first.disconnect()
    again = socket_of(user)
    await present(again)
    for socket in (second, again, stranger):
        await socket.disconnect()


async def test_messages_from_the_page_are_ignored():
    user = await new_user()
    socket = socket_of(user)
    await socket.connect()
    await socket.receive_from()
    await socket.send_to(text_data="x" * 10_000)
    assert await socket.receive_nothing(timeout=0.2)
    await socket.disconnect()


def test_an_event_that_cannot_be_delivered_harms_nobody(monkeypatch, caplog):
    def refuse():
        raise ConnectionError("no connection")

    monkeypatch.setattr("generation.queue.events.get_channel_layer", refuse)
    events.publish(1, "job")
    assert "Could not deliver an event" in caplog.text


async def test_only_the_sockets_of_a_departed_user_are_closed():
    leaver, other = await sync_to_async(UserFactory)(), await sync_to_async(UserFactory)()
    sockets = [socket_of(leaver), socket_of(other)]
    for socket in sockets:
        await socket.connect()
        await socket.receive_from()
    await sync_to_async(accounts.deactivate)(leaver)
    await sync_to_async(accounts.settle)(leaver.pk)
    assert await sockets[0].receive_output() == {"type": "websocket.close", "code": 4401}
    assert await sockets[1].receive_nothing()
    await sockets[1].disconnect()


def test_a_change_of_very_many_jobs_is_announced_in_messages_of_a_bounded_size(monkeypatch):
    sent = []
    monkeypatch.setattr("generation.queue.events.publish", lambda user_id, *job_ids: sent.append(job_ids))
    events.publish_all(1, list(range(450)))
    assert [len(job_ids) for job_ids in sent] == [200, 200, 50]
    events.publish_all(1, [])
    assert len(sent) == 3


def new_password(user, client) -> None:
    client.force_login(user)
    values = {
        "oldpassword": "a long enough passphrase",
        "password1": "a new passphrase",
        "password2": "a new passphrase",
    }
    assert client.post(reverse("account_change_password"), values).status_code == 302


def everywhere_else(user, client) -> None:
    client.force_login(user)
    assert client.post(reverse("accounts:end-sessions")).status_code == 302


@pytest.mark.parametrize("act", [new_password, everywhere_else])
async def test_ending_sessions_closes_their_open_sockets(client, act):
    user, other = await new_user(), await new_user()
    await sync_to_async(user.set_password)("a long enough passphrase")
    await sync_to_async(user.save)()
    socket, stranger = socket_of(user), socket_of(other)
    await present(socket)
    await present(stranger)
    await sync_to_async(act)(user, client)
    assert (await socket.receive_output())["code"] == feed.COME_BACK
    assert await stranger.receive_nothing(timeout=0.3)
    await stranger.disconnect()
