"""The faulty wire passes everything on unchanged, and breaks exactly what it is told to."""

import time

import pytest
from botocore.exceptions import (
    ClientError,
    ConnectionClosedError,
    EndpointConnectionError,
    FlexibleChecksumError,
    IncompleteReadError,
    ReadTimeoutError,
    ResponseStreamingError,
)

from tests.rigs.faulty_wire import FaultyWire

CONTENT = bytes(range(256)) * 10_000  # 2.5 MB: more than sockets buffer


@pytest.fixture(scope="module")
def wire(s3_server):
    wire = FaultyWire(s3_server.port).start()
    yield wire
    wire.stop()


@pytest.fixture
def client(wire, s3_server):
    return s3_server.client(wire.endpoint)


@pytest.fixture
def stored(client, s3_bucket):
    client.put_object(Bucket=s3_bucket, Key="a", Body=CONTENT)
    return {"Bucket": s3_bucket, "Key": "a"}


def read(client, stored) -> bytes:
    return client.get_object(**stored)["Body"].read()


def test_what_is_not_broken_arrives_unchanged(client, stored, wire):
    wire.requests.clear()
    assert read(client, stored) == CONTENT
    assert client.get_object(**stored, Range="bytes=5-9")["Body"].read() == CONTENT[5:10]
    assert client.head_object(**stored)["ContentLength"] == len(CONTENT)
    assert [method for method, _path in wire.requests] == ["GET", "GET", "HEAD"]


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("reset", ConnectionClosedError),
        ("unavailable", ClientError),
        ("truncate", (IncompleteReadError, ResponseStreamingError)),
        ("corrupt", FlexibleChecksumError),
    ],
)
def test_a_fault_breaks_as_many_requests_as_it_says(client, stored, wire, kind, error):
    with wire.broken(kind, method="GET", times=1):
        with pytest.raises(error):
            read(client, stored)
        assert read(client, stored) == CONTENT


@pytest.mark.parametrize("kind", ["hang", "stall"])
def test_what_hangs_is_released_with_the_block(wire, s3_server, stored, kind):
    with wire.broken(kind, method="GET"), pytest.raises((ReadTimeoutError, IncompleteReadError)):
        read(s3_server.client(wire.endpoint, read_timeout=1), stored)
    assert read(s3_server.client(wire.endpoint), stored) == CONTENT


def test_a_slow_request_takes_its_time_and_arrives(client, stored, wire):
    start = time.monotonic()
    with wire.broken("slow", seconds=0.5):
        assert read(client, stored) == CONTENT
    assert time.monotonic() - start > 0.5


def test_only_the_named_requests_are_broken(client, stored, wire):
    with wire.broken("unavailable", method="DELETE", key="/a"):
        assert read(client, stored) == CONTENT
        with pytest.raises(ClientError, match="SlowDown"):
            client.delete_object(**stored)
        client.delete_object(Bucket=stored["Bucket"], Key="other")


def test_a_feature_can_be_missing(client, stored, wire):
    with wire.broken("unsupported", header="x-amz-checksum-crc32"):
        assert read(client, stored) == CONTENT
        with pytest.raises(ClientError, match="NotImplemented"):
            client.put_object(**stored, Body=CONTENT)


def test_a_refused_connection_is_accepted_again_later(client, stored, wire):
    with wire.refusing(), pytest.raises(EndpointConnectionError):
        read(client, stored)
    assert read(client, stored) == CONTENT
