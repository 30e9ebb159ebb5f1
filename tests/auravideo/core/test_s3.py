"""The S3 backend on a real server: nothing is mixed up or mistaken, and a bad wire ends in a true error in time."""

import os
import threading
import time
from urllib.parse import urlsplit

import pytest
from botocore.exceptions import FlexibleChecksumError
from django.core.files.base import ContentFile
from django.core.files.storage import storages

from auravideo.core.s3 import S3Storage
from auravideo.core.storage import StorageUnavailable, delete_folder
from auravideo.security import storage_origins
from tests.conftest import s3_storage
from tests.rigs import certificates
from tests.rigs.faulty_wire import FaultyWire

pytestmark = pytest.mark.thorough

SMALL = bytes(range(256)) * 400  # 100 kB
LARGE = os.urandom(2**20) * 20  # 20 MiB: uploaded in parts


@pytest.fixture
def storage(on_s3) -> S3Storage:
    return storages["default"]


@pytest.fixture(scope="module")
def wire(s3_server):
    wire = FaultyWire(s3_server.port).start()
    yield wire
    wire.stop()


@pytest.fixture
def on_wire(use_s3, wire):
    """Return a function that returns the storage behind the wire, patient for a second and two attempts."""

    def make(**options) -> S3Storage:
        use_s3(endpoint_url=wire.endpoint, **{"connect_timeout": 1, "read_timeout": 1, "attempts": 2, **options})
        wire.requests.clear()
        return storages["default"]

    return make


def read(storage, name: str = "a") -> bytes:
    with storage.open(name) as file:
        return file.read()


@pytest.mark.parametrize("content", [b"", b"x", SMALL, LARGE])
def test_content_comes_back_as_it_was_stored(storage, content):
    assert storage.save("folder/a", ContentFile(content)) == "folder/a"
    assert read(storage, "folder/a") == content
    assert storage.size("folder/a") == len(content)


def test_a_large_file_is_uploaded_in_parts_and_a_small_one_in_one_request(on_wire, wire):
    storage = on_wire()
    storage.save("small", ContentFile(SMALL))
    assert [method for method, _path in wire.requests] == ["PUT"]
    storage.save("large", ContentFile(LARGE))
    parts = [path for _method, path in wire.requests if "partNumber=" in path]
    assert len(parts) == 3
    assert read(storage, "large") == LARGE


def test_reading_takes_one_request_and_memory_for_what_is_read(on_wire, wire):
    storage = on_wire()
    storage.save("a", ContentFile(LARGE))
    wire.requests.clear()
    assert read(storage) == LARGE
    assert [method for method, _path in wire.requests] == ["GET"]


def test_a_file_can_be_searched_like_a_local_one(storage):
    storage.save("a", ContentFile(SMALL))
    with storage.open("a") as file:
        assert file.size == len(SMALL)
        assert file.read(10) == SMALL[:10]
        file.seek(-5, os.SEEK_END)
        assert file.read() == SMALL[-5:]
        file.seek(1000)
        assert (file.read(3), file.tell()) == (SMALL[1000:1003], 1003)
        assert b"".join(iter(lambda: file.read(7000), b"")) == SMALL[1003:]
        with pytest.raises(ValueError, match="before the start"):
            file.seek(-1)


def test_a_file_that_is_missing_is_missing_at_once(storage):
    with pytest.raises(FileNotFoundError):
        storage.open("nothing")
    assert not storage.exists("nothing")
    storage.delete("nothing")


def test_a_folder_is_deleted_whole_in_few_requests_and_its_neighbours_stay(on_wire, wire):
    storage = on_wire()
    for name in ("jobs/1/a", "jobs/1/b/c", "jobs/1/b/d", "jobs/10/a", "jobs/1"):
        storage.save(name, ContentFile(b"x"))
    wire.requests.clear()
    delete_folder(storage, "jobs/1")
    assert [method for method, _path in wire.requests] == ["GET", "POST"]
    assert [name for name in ("jobs/1/a", "jobs/1/b/c", "jobs/1/b/d") if storage.exists(name)] == []
    assert storage.exists("jobs/10/a")
    assert storage.exists("jobs/1")
    delete_folder(storage, "jobs/none")


def test_a_folder_whose_files_are_deleted_is_gone_at_once(storage):
    for name in ("jobs/1/a/x", "jobs/2/y", "jobs/z", "other"):
        storage.save(name, ContentFile(b"x"))
    assert storage.listdir("jobs") == (["1", "2"], ["z"])
    assert storage.listdir("") == (["jobs"], ["other"])
    assert storage.listdir("jobs/1/") == (["a"], [])
    storage.delete("jobs/1/a/x")
    assert storage.listdir("jobs") == (["2"], ["z"])
    assert storage.listdir("jobs/1") == ([], [])


def test_more_objects_than_one_request_may_delete_are_deleted(storage, on_s3, monkeypatch):
    monkeypatch.setattr("auravideo.core.s3.DELETED_AT_ONCE", 3)
    for number in range(10):
        storage.save(f"jobs/1/{number}", ContentFile(b"x"))
    delete_folder(storage, "jobs/1")
    assert on_s3() == set()


def test_threads_share_one_client_and_a_child_process_makes_its_own(storage):
    clients = []
    threads = [threading.Thread(target=lambda: clients.append(storage.client)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {id(client) for client in clients} == {id(storage.client)}
    storage.save("a", ContentFile(SMALL))
    own = id(storage.client)
    child = os.fork()
    if not child:
        os._exit(0 if id(storage.client) != own and read(storage) == SMALL else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert read(storage) == SMALL


def test_many_threads_read_and_write_at_once(storage):
    failures = []

    def work(number: int) -> None:
        try:
            for round_ in range(5):
                storage.save(f"f{number}", ContentFile(SMALL + bytes([number, round_])))
                assert read(storage, f"f{number}") == SMALL + bytes([number, round_])
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


# --- A bad wire -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["reset", "unavailable", "truncate", "corrupt"])
@pytest.mark.parametrize("content", [SMALL, LARGE[: 9 * 2**20]], ids=["small", "large"])
def test_a_fault_that_passes_is_not_noticed(on_wire, wire, kind, content):
    storage = on_wire()
    with wire.broken(kind, method="PUT", times=1 if kind in ("reset", "unavailable") else 0):
        storage.save("a", ContentFile(content))
    with wire.broken(kind, method="GET", times=1):
        assert read(storage) == content


def test_a_stall_in_the_middle_is_noticed_and_the_rest_read_again(on_wire, wire):
    storage = on_wire()
    storage.save("a", ContentFile(LARGE))
    with wire.broken("stall", method="GET", times=1), storage.open("a") as file:
        assert b"".join(iter(lambda: file.read(2**20), b"")) == LARGE
    ranges = [path for method, path in wire.requests if method == "GET"]
    assert len(ranges) == 2


@pytest.mark.parametrize("kind", ["hang", "reset", "unavailable", "truncate", "corrupt", "stall"])
def test_a_fault_that_lasts_is_a_true_error_in_bounded_time(on_wire, wire, kind):
    storage = on_wire()
    storage.save("a", ContentFile(SMALL))
    start = time.monotonic()
    with wire.broken(kind), pytest.raises(StorageUnavailable) as caught:
        read(storage)
    assert time.monotonic() - start < 2 * 1 + 1 + 4  # attempts, pause, slack
    assert wire.endpoint in str(caught.value)
    assert caught.value.__cause__ is not None


OPERATIONS = {
    "save": lambda storage: storage.save("a", ContentFile(SMALL)),
    "save a large one": lambda storage: storage.save("a", ContentFile(LARGE)),
    "read": read,
    "delete": lambda storage: storage.delete("a"),
    "exists": lambda storage: storage.exists("a"),
    "list": lambda storage: storage.listdir(""),
    "size": lambda storage: storage.size("a"),
    "delete a folder": lambda storage: delete_folder(storage, "a"),
}


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("refused", [True, False], ids=["refused", "hanging"])
def test_every_operation_ends_when_the_store_does_not_answer(on_wire, wire, operation, refused):
    storage = on_wire(attempts=1)
    start = time.monotonic()
    with wire.refusing() if refused else wire.broken("hang"), pytest.raises(StorageUnavailable, match=r"The S3 store"):
        OPERATIONS[operation](storage)
    assert time.monotonic() - start < 20  # boto3's own timeouts are a minute, and it tries five times


@pytest.mark.parametrize("operation", [name for name in OPERATIONS if name not in ("exists", "size", "delete")])
def test_a_refusal_is_an_error_and_not_a_missing_file(use_s3, s3_server, operation):
    use_s3(secret_key="wrong", attempts=1)
    with pytest.raises(StorageUnavailable, match="SignatureDoesNotMatch"):
        OPERATIONS[operation](storages["default"])
    use_s3(bucket_name="never-made", attempts=1)
    with pytest.raises(StorageUnavailable, match="NoSuchBucket"):
        OPERATIONS[operation](storages["default"])


def test_content_replaced_while_it_is_read_is_never_mixed(on_wire, wire):
    storage = on_wire()
    storage.save("a", ContentFile(LARGE))
    with storage.open("a") as file:
        start = file.read(2**20)
        storage.save("a", ContentFile(LARGE[::-1]))
        file.seek(2**21)
        with pytest.raises(StorageUnavailable, match=r"PreconditionFailed|412"):
            file.read(10)
    assert start == LARGE[: 2**20]


def test_a_checksum_travels_with_what_is_stored_unless_it_is_switched_off(on_wire, wire, s3_server, s3_bucket):
    def stored_with(**options) -> str | None:
        on_wire(**options).save("a", ContentFile(SMALL))
        head = s3_server.client().head_object(Bucket=s3_bucket, Key="a", ChecksumMode="ENABLED")
        return head.get("ChecksumCRC32")

    assert stored_with()
    assert stored_with(checksums="when_required") is None
    with wire.broken("corrupt", method="GET", times=1):  # nobody looks
        assert read(storages["default"]) != SMALL


def test_damage_is_noticed_even_when_a_part_was_handed_out(on_wire, wire):
    storage = on_wire()
    storage.save("a", ContentFile(LARGE[: 9 * 2**20]))
    with wire.broken("corrupt", method="GET", times=1), storage.open("a") as file:
        with pytest.raises(StorageUnavailable) as caught:
            while file.read(2**20):
                pass
        assert isinstance(caught.value.__cause__, FlexibleChecksumError)


def test_the_options_come_from_the_settings(s3_server, s3_bucket):
    entry = s3_storage(s3_server, s3_bucket, connect_timeout=2, read_timeout=9, attempts=5, checksums="when_required")
    config = S3Storage(**entry["OPTIONS"]).client.meta.config
    assert (config.connect_timeout, config.read_timeout) == (2, 9)
    assert (config.retries["mode"], config.retries["total_max_attempts"]) == ("standard", 5)
    assert config.request_checksum_calculation == config.response_checksum_validation == "when_required"
    assert config.s3["addressing_style"] == "path"


def test_a_store_behind_tls_is_trusted_by_its_own_authority_alone(use_s3, s3_server, tmp_path):
    authority, context = certificates.make(tmp_path)
    wire = FaultyWire(s3_server.port, tls=context).start()
    use_s3(endpoint_url=wire.endpoint, verify=str(authority), attempts=1)
    for content in (SMALL, LARGE):  # over TLS, checksums follow the content
        storages["default"].save("a", ContentFile(content))
        assert read(storages["default"]) == content
    use_s3(endpoint_url=wire.endpoint, attempts=1)
    with pytest.raises(StorageUnavailable, match="certificate verify failed"):
        read(storages["default"])
    wire.stop()


def test_the_bucket_may_be_part_of_the_host_name_that_the_policy_allows():
    options = {"bucket_name": "videos", "access_key": "a", "secret_key": "b", "region_name": "us-east-1"}
    for endpoint in ("https://s3.example.org", None):
        for style in ("path", "virtual"):
            storage = S3Storage(endpoint_url=endpoint, addressing_style=style, signature_version="s3v4", **options)
            parts = urlsplit(storage.url("a/b.mp4"))
            assert f"{parts.scheme}://{parts.netloc}" in storage_origins(endpoint or "", "videos", "us-east-1", style)
            assert parts.path == ("/videos/a/b.mp4" if style == "path" else "/a/b.mp4")
