"""The frame store keeps the same promises on a folder and on a real S3 server."""

import hashlib
import json
import threading
import uuid
from pathlib import Path

import numpy as np
import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import storages
from safetensors.numpy import load, save

from auravideo.core.storage import StorageUnavailable
from generation.domain import storage_keys
from generation.domain.errors import RenderError
from tests.rigs.faulty_wire import FaultyWire
from workers import frame_store

JOB = "0b0f4e8e-6a1c-4c59-9f2e-0d3f0b7f3a11"
FOLDER = "auravideo.core.storage.FolderStorage"
OTHER = "5c1e4d0e-7d0a-4f6e-8a55-2f6f8b1b9c22"


@pytest.fixture(params=["folder", "s3"])
def storage(request):
    """Return the storage `frames`, empty: a folder and S3 in turn."""
    if request.param == "folder":
        return request.getfixturevalue("folder")
    request.getfixturevalue("on_s3")
    return storages["frames"]


@pytest.fixture
def folder(settings, tmp_path):
    """Return the storage `frames`, empty: a folder."""
    return use(settings, FOLDER, {"location": str(tmp_path / "frames"), "allow_overwrite": True})


def use(settings, backend: str, options: dict):
    settings.STORAGES = {**settings.STORAGES, "frames": {"BACKEND": backend, "OPTIONS": options}}
    return storages["frames"]


def make_chunk(seed: int = 0, shape=(3, 16, 24, 3)) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def stored_keys(storage, folder: str = "") -> list[str]:
    try:
        folders, files = storage.listdir(folder)
    except FileNotFoundError:
        return []
    prefix = f"{folder}/" if folder else ""
    below = [key for name in folders for key in stored_keys(storage, prefix + name)]
    return sorted([*(prefix + name for name in files), *below])


def test_a_chunk_comes_back_as_it_was_written(storage):
    chunk = make_chunk()
    key = frame_store.write_chunk(uuid.UUID(JOB), "generate", 7, chunk, 8)
    assert key == f"jobs/{JOB}/generate/0007.safetensors"
    back = frame_store.read_chunk(key)
    assert np.array_equal(back, chunk)
    assert (back.dtype, back.flags.writeable) == (np.uint8, True)
    assert frame_store.exists(key)
    assert stored_keys(storage) == [key]


def test_a_view_that_is_not_contiguous_is_stored_as_it_looks(storage):
    chunk = make_chunk(shape=(4, 16, 24, 3))[::2, ::-1, 3:9]
    assert np.array_equal(frame_store.read_chunk(frame_store.write_chunk(JOB, "upscale", 0, chunk, 8)), chunk)


def test_the_file_is_plain_safetensors_that_says_what_it_holds(storage):
    chunk = make_chunk()
    with storage.open(frame_store.write_chunk(JOB, "interpolate", 2, chunk, 24)) as file:
        data = file.read()
    assert np.array_equal(load(data)["frames"], chunk)
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    sha256 = hashlib.sha256(chunk.tobytes()).hexdigest()
    assert header["__metadata__"] == {"fps": "24", "index": "2", "stage": "interpolate", "sha256": sha256}


def test_writing_again_replaces_and_leaves_no_second_copy(storage):
    for seed in range(3):
        key = frame_store.write_chunk(JOB, "generate", 0, make_chunk(seed), 8)
    assert stored_keys(storage) == [key]
    assert np.array_equal(frame_store.read_chunk(key), make_chunk(2))


def test_a_reader_never_sees_half_a_chunk_while_it_is_written_again(storage):
    chunk = make_chunk(shape=(4, 256, 256, 3))
    key = frame_store.write_chunk(JOB, "generate", 0, chunk, 8)
    stop = threading.Event()
    failures = []

    def write() -> None:
        try:
            while not stop.is_set():
                frame_store.write_chunk(JOB, "generate", 0, chunk, 8)
        except Exception as error:
            failures.append(error)

    writers = [threading.Thread(target=write) for _ in range(2)]
    for writer in writers:
        writer.start()
    try:
        for _ in range(12):
            assert np.array_equal(frame_store.read_chunk(key), chunk)
    finally:
        stop.set()
        for writer in writers:
            writer.join()
    assert failures == []
    assert stored_keys(storage) == [key]


def test_a_write_that_fails_leaves_the_old_chunk_and_no_rest(storage, monkeypatch):
    key = frame_store.write_chunk(JOB, "generate", 0, make_chunk(1), 8)

    def fail(*args, **kwargs):
        raise OSError("disk full")

    monkeypatch.setattr(storage, "_save", fail)
    with pytest.raises(OSError, match="disk full"):
        frame_store.write_chunk(JOB, "generate", 0, make_chunk(2), 8)
    monkeypatch.undo()
    assert stored_keys(storage) == [key]
    assert np.array_equal(frame_store.read_chunk(key), make_chunk(1))


def test_a_storage_that_renames_instead_of_overwriting_is_refused(settings, tmp_path):
    storage = use(settings, FOLDER, {"location": str(tmp_path), "allow_overwrite": False})
    key = frame_store.write_chunk(JOB, "generate", 0, make_chunk(), 8)
    with pytest.raises(RuntimeError, match="must overwrite"):
        frame_store.write_chunk(JOB, "generate", 0, make_chunk(), 8)
    assert stored_keys(storage) == [key]


def test_a_missing_chunk_is_an_error_for_the_person(storage):
    key = storage_keys.chunk(JOB, "generate", 0)
    assert not frame_store.exists(key)
    with pytest.raises(RenderError) as caught:
        frame_store.read_chunk(key)
    assert caught.value.id == "frames-missing"


def with_changed_byte(data: bytes) -> bytes:
    return data[:-100] + bytes([data[-100] ^ 1]) + data[-99:]


def with_text(text: bytes):
    return lambda data: len(text).to_bytes(8, "little") + text


def without_metadata(data: bytes) -> bytes:
    return save({"frames": make_chunk()})


def of_another_stage(data: bytes) -> bytes:
    sha256 = hashlib.sha256(make_chunk().tobytes()).hexdigest()
    metadata = {"fps": "8", "index": "0", "stage": "upscale", "sha256": sha256}
    return save({"frames": make_chunk()}, metadata)


def of_other_numbers(data: bytes) -> bytes:
    values = make_chunk().astype(np.float32)
    metadata = {"fps": "8", "index": "0", "stage": "generate", "sha256": hashlib.sha256(values.tobytes()).hexdigest()}
    return save({"frames": values}, metadata)


@pytest.mark.parametrize(
    "damage",
    [
        with_changed_byte,
        lambda data: data[:-1],
        lambda data: data + b"\0",
        lambda data: data[:50],
        lambda data: b"",
        lambda data: b"\xff" * len(data),
        with_text(b"{}"),
        with_text(b"[]"),
        with_text(b'{"__metadata__":7}'),
        with_text(b'{"__metadata__":{"index":"x","stage":"generate","sha256":""}}'),
        without_metadata,
        of_another_stage,
        of_other_numbers,
    ],
)
def test_a_damaged_chunk_is_never_taken_for_frames(folder, damage):
    key = frame_store.write_chunk(JOB, "generate", 0, make_chunk(), 8)
    with folder.open(key) as file:
        data = file.read()
    folder.save(key, ContentFile(damage(data)))
    with pytest.raises(RenderError) as caught:
        frame_store.read_chunk(key)
    assert caught.value.id == "frames-corrupt"


@pytest.mark.parametrize(
    "chunk",
    [
        np.zeros((2, 8, 8, 3), np.float32),
        np.zeros((8, 8, 3), np.uint8),
        np.zeros((2, 8, 8, 4), np.uint8),
        np.zeros((0, 8, 8, 3), np.uint8),
    ],
)
def test_what_is_no_chunk_is_refused(folder, chunk):
    with pytest.raises(ValueError, match="must be uint8"):
        frame_store.write_chunk(JOB, "generate", 0, chunk, 8)
    assert stored_keys(folder) == []


@pytest.mark.parametrize(
    ("job", "stage", "index"),
    [("..", "generate", 0), ("", "generate", 0), (JOB, "../../x", 0), (JOB, "a/b", 0), (JOB, "generate", -1)],
)
def test_names_cannot_lead_out_of_the_job(folder, job, stage, index):
    with pytest.raises(ValueError, match=r"cannot be part of a key|0 or more"):
        frame_store.write_chunk(job, stage, index, make_chunk(), 8)
    with pytest.raises(ValueError, match="cannot be part of a key"):
        frame_store.delete_job("../other")


def test_chunks_are_listed_in_their_order(storage):
    for index in (2, 10_000, 0, 11, 1):
        frame_store.write_chunk(JOB, "upscale", index, make_chunk(shape=(1, 2, 2, 3)), 8)
    frame_store.write_chunk(JOB, "generate", 0, make_chunk(), 8)
    keys = frame_store.list_chunks(JOB, "upscale")
    assert [Path(key).stem for key in keys] == ["0000", "0001", "0002", "0011", "10000"]
    assert all(frame_store.exists(key) for key in keys)
    assert frame_store.list_chunks(OTHER, "upscale") == []


def test_deleting_a_job_removes_all_of_it_and_nothing_else(storage):
    for stage in ("generate", "interpolate"):
        for index in range(2):
            frame_store.write_chunk(JOB, stage, index, make_chunk(), 8)
    frame_store.write_preview(JOB, b"picture")
    kept = frame_store.write_chunk(OTHER, "generate", 0, make_chunk(), 8)
    frame_store.delete_job(uuid.UUID(JOB))
    assert stored_keys(storage) == [kept]
    assert list(frame_store.iter_jobs()) == [OTHER]
    frame_store.delete_job(JOB)


def test_deleting_leaves_no_empty_folder_and_takes_what_a_crash_left(folder):
    root = Path(folder.path(""))
    frame_store.write_chunk(JOB, "generate", 0, make_chunk(), 8)
    (root / "jobs" / JOB / "generate" / ".0001.safetensors.ab12").write_bytes(b"half")
    assert frame_store.list_chunks(JOB, "generate") == [f"jobs/{JOB}/generate/0000.safetensors"]
    frame_store.delete_job(JOB)
    assert list((root / "jobs").iterdir()) == []


def test_bytes_and_jobs_are_counted(storage):
    assert list(frame_store.iter_jobs()) == []
    assert frame_store.job_bytes(JOB) == 0
    key = frame_store.write_chunk(JOB, "generate", 0, make_chunk(), 8)
    frame_store.write_preview(JOB, b"12345")
    frame_store.write_preview(OTHER, b"12")
    assert frame_store.job_bytes(JOB) == storage.size(key) + 5
    assert list(frame_store.iter_jobs()) == [JOB, OTHER]


def test_a_blob_is_replaced_by_the_next_and_may_be_missing(storage):
    assert frame_store.read_preview(JOB) is None
    for data in (b"first" * 1000, b"second"):
        assert frame_store.write_preview(JOB, data) == f"jobs/{JOB}/preview.webp"
        assert frame_store.read_preview(JOB) == data
    assert stored_keys(storage) == [f"jobs/{JOB}/preview.webp"]


def test_frames_damaged_on_the_way_are_read_again(use_s3, s3_server):
    wire = FaultyWire(s3_server.port).start()
    use_s3(endpoint_url=wire.endpoint, checksums="when_required", attempts=1)
    chunk = make_chunk()
    key = frame_store.write_chunk(JOB, "generate", 0, chunk, 8)
    with wire.broken("corrupt", method="GET", times=1):
        assert np.array_equal(frame_store.read_chunk(key), chunk)
    with wire.broken("corrupt", method="GET", times=2), pytest.raises(RenderError, match="frames-corrupt"):
        frame_store.read_chunk(key)
    wire.stop()


def test_an_unreachable_storage_is_not_mistaken_for_missing_frames(use_s3):
    use_s3(endpoint_url="http://127.0.0.1:9", attempts=1)
    with pytest.raises(StorageUnavailable, match="Could not connect"):
        frame_store.read_chunk(storage_keys.chunk(JOB, "generate", 0))
