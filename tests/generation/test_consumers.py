"""The WebSocket: the present state on connecting, every change after it, and nobody else's."""

import pytest
from asgiref.sync import sync_to_async
from channels.testing import WebsocketCommunicator

from accounts import services as accounts
from generation import events, services
from generation.consumers import JobsConsumer
from generation.states import Status
from tests.factories import JobFactory, UserFactory

pytestmark = pytest.mark.django_db(transaction=True)


def socket_of(user) -> WebsocketCommunicator:
    communicator = WebsocketCommunicator(JobsConsumer.as_asgi(), "/ws/jobs/")
    communicator.scope["user"] = user
    return communicator


async def test_who_is_not_signed_in_is_turned_away():
    from django.contrib.auth.models import AnonymousUser

    connected, code = await socket_of(AnonymousUser()).connect()
    assert not connected
    assert code == 4401


async def test_connecting_brings_the_present_state_of_active_and_recently_ended_jobs():
    user = await sync_to_async(UserFactory)()
    waiting = await sync_to_async(JobFactory)(user=user)
    ended = await sync_to_async(JobFactory)(user=user, status=Status.FAILED)
    socket = socket_of(user)
    assert (await socket.connect())[0]
    html = await socket.receive_from()
    assert f'id="job-{waiting.pk}"' in html
    assert f'id="job-{ended.pk}"' in html
    assert 'id="active-jobs"' in html
    await socket.disconnect()


async def test_a_change_arrives_with_its_version():
    user = await sync_to_async(UserFactory)()
    job = await sync_to_async(JobFactory)(user=user)
    socket = socket_of(user)
    await socket.connect()
    await socket.receive_from()
    await sync_to_async(services.cancel)(job)
    html = await socket.receive_from()
    assert f'id="job-{job.pk}"' in html
    assert 'data-version="2"' in html
    await socket.disconnect()


async def test_nobody_hears_of_somebody_elses_jobs():
    alice, bob = await sync_to_async(UserFactory)(), await sync_to_async(UserFactory)()
    job = await sync_to_async(JobFactory)(user=alice)
    socket = socket_of(bob)
    await socket.connect()
    assert str(job.pk) not in await socket.receive_from()
    await sync_to_async(services.cancel)(job)
    assert await socket.receive_nothing(timeout=0.3)
    await sync_to_async(events.publish)(bob.pk, job.pk)  # even a misdirected event shows nothing
    assert str(job.pk) not in await socket.receive_from()
    await socket.disconnect()


async def test_what_a_page_sends_is_ignored():
    user = await sync_to_async(UserFactory)()
    socket = socket_of(user)
    await socket.connect()
    await socket.receive_from()
    await socket.send_to(text_data="x" * 10_000)
    assert await socket.receive_nothing(timeout=0.2)
    await socket.disconnect()


def test_an_event_that_cannot_be_delivered_harms_nobody(monkeypatch, caplog):
    def refuse():
        raise ConnectionError("no connection")

    monkeypatch.setattr("generation.events.get_channel_layer", refuse)
    events.publish(1, "job")
    assert "could not be delivered" in caplog.text


async def test_the_pages_of_who_has_left_are_cut_off_and_nobody_elses():
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
