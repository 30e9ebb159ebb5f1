"""The wire passes bytes on, and nothing while it is cut."""

import pytest
import redis
from django.conf import settings

from tests.rigs.relay import Relay


@pytest.mark.thorough
def test_a_wire_that_was_cut_works_again():
    relay = Relay(settings.REDIS_SOCKET)
    client = redis.Redis(port=relay.port)
    assert client.ping()
    with relay.cut():
        with pytest.raises(redis.ConnectionError):
            client.ping()
        with pytest.raises(redis.ConnectionError):
            redis.Redis(port=relay.port).ping()
    assert client.ping()
    relay.close()
    with pytest.raises(redis.ConnectionError):
        client.ping()


def test_a_wire_to_nowhere_ends_at_once(tmp_path):
    relay = Relay(tmp_path / "nobody.sock")
    with pytest.raises(redis.ConnectionError):
        redis.Redis(port=relay.port).ping()
    relay.close()


def test_a_silent_wire_holds_back_what_it_was_given():
    relay = Relay(settings.REDIS_SOCKET)
    client = redis.Redis(port=relay.port, socket_timeout=1.0, retry=None)
    assert client.ping()
    with relay.silent(), pytest.raises(redis.TimeoutError):
        client.ping()
    assert client.ping()
    relay.close()
