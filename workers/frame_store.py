"""Frames on their way from one stage to the next, through Django's storage `frames`: a folder, or S3.

One object a chunk, `jobs/<job>/<stage>/<chunk>.safetensors`: one tensor `frames`, uint8 `[F, H, W, 3]`, and in the
header fps, index, stage and the SHA-256 of the tensor's bytes, which every read verifies. Plain safetensors, because
any compression is slower than the disk or network that it would spare.

A key is written as a whole or not at all, and writing it again replaces it: a stage that runs twice leaves one result.
"""

import hashlib
import io
import json
import os
import posixpath
import re
import secrets
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
from django.core.files import File
from django.core.files.storage import Storage, storages
from safetensors import SafetensorError
from safetensors.numpy import load, save

from generation.domain.errors import RenderError

_ROOT = "jobs"
_NAME = re.compile(r"[0-9A-Za-z][0-9A-Za-z_.-]*")
_TENSOR = "frames"
_SUFFIX = ".safetensors"


def write_chunk(job_id: object, stage: str, index: int, frames: np.ndarray, fps: int) -> str:
    """Stores a chunk and returns its key.

    Args:
        job_id: the job's UUID.
        stage: the stage that made the frames.
        index: the chunk's number in the plan, from 0.
        frames: uint8 `[F, H, W, 3]`, at least one frame.
        fps: frames per second, stored with them.

    Raises:
        ValueError: frames of another type or shape, or a name that cannot be part of a key.
        Exception: whatever the storage raises when it cannot be reached.
    """
    frames = np.ascontiguousarray(frames)
    if frames.dtype != np.uint8 or frames.ndim != 4 or frames.shape[3] != 3 or 0 in frames.shape:
        raise ValueError(f"A chunk must be uint8 [frames, height, width, 3], not {frames.dtype} {list(frames.shape)}.")
    key = chunk_key(job_id, stage, index)
    metadata = {"fps": str(fps), "index": str(index), "stage": stage, "sha256": hashlib.sha256(frames.data).hexdigest()}
    _put(key, save({_TENSOR: frames}, metadata))
    return key


def read_chunk(key: str) -> np.ndarray:
    """The chunk that `write_chunk` stored: uint8 `[F, H, W, 3]`.

    Raises:
        RenderError: `frames-missing`, or `frames-corrupt` where it is not what was written under this key.
        Exception: whatever the storage raises when it cannot be reached.
    """
    data = _get(key)
    if data is None:
        raise RenderError("frames-missing", key=key)
    try:
        metadata = _metadata(data)
        frames = load(data)[_TENSOR]
        intact = (
            chunk_key(key.split("/")[1], metadata["stage"], int(metadata["index"])) == key
            and frames.dtype == np.uint8
            and frames.ndim == 4
            and metadata["sha256"] == hashlib.sha256(np.ascontiguousarray(frames).data).hexdigest()
        )
    except (SafetensorError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise RenderError("frames-corrupt", key=key) from error
    if not intact:
        raise RenderError("frames-corrupt", key=key)
    return frames


def chunk_key(job_id: object, stage: str, index: int) -> str:
    """Where a chunk is stored."""
    if index < 0:
        raise ValueError(f"A chunk's number is 0 or more, not {index}.")
    return f"{_folder(job_id)}/{_checked(stage)}/{index:04d}{_SUFFIX}"


def exists(key: str) -> bool:
    """Whether something is stored under `key`; only reading it tells whether it is intact."""
    return _storage().exists(key)


def list_chunks(job_id: object, stage: str) -> list[str]:
    """The keys of a stage's stored chunks, in their order."""
    folder = f"{_folder(job_id)}/{_checked(stage)}"
    names = [name for name in _listdir(folder)[1] if name.endswith(_SUFFIX) and not name.startswith(".")]
    return [f"{folder}/{name}" for name in sorted(names, key=lambda name: (len(name), name))]


def write_blob(job_id: object, name: str, data: bytes) -> str:
    """Stores a small file of a job, such as `preview.webp`, in place of the one before, and returns its key."""
    key = f"{_folder(job_id)}/{_checked(name)}"
    _put(key, data)
    return key


def read_blob(job_id: object, name: str) -> bytes | None:
    """What `write_blob` stored, or None where there is nothing (yet, or any more)."""
    return _get(f"{_folder(job_id)}/{_checked(name)}")


def delete_job(job_id: object) -> None:
    """Removes everything that is stored of a job; nothing there is fine, and so is another process doing the same."""
    _delete_folder(_folder(job_id))


def job_bytes(job_id: object) -> int:
    """How much is stored of a job, in bytes."""
    total = 0
    for key in _walk(_folder(job_id)):
        with suppress(FileNotFoundError):  # deleted meanwhile
            total += _storage().size(key)
    return total


def iter_jobs() -> Iterator[str]:
    """The ids of the jobs of which something is stored."""
    yield from sorted(name for name in _listdir(_ROOT)[0] if _NAME.fullmatch(name))


def _storage() -> Storage:
    return storages["frames"]


def _folder(job_id: object) -> str:
    return f"{_ROOT}/{_checked(str(job_id))}"


def _checked(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} cannot be part of a key.")
    return name


def _put(key: str, data: bytes) -> None:
    storage = _storage()
    try:
        target = Path(storage.path(key))
    except NotImplementedError:  # not a folder: an object store replaces objects as a whole
        saved = storage.save(key, File(io.BytesIO(data), key))
    else:
        saved = _put_file(storage, key, target, data)
    if saved != key:
        storage.delete(saved)
        raise RuntimeError("The storage 'frames' must overwrite: allow_overwrite for a folder, file_overwrite for S3.")


def _put_file(storage: Storage, key: str, target: Path, data: bytes) -> str:
    """Saves through a file beside the target, which Django's storage moves into its place.

    Given bytes, it would empty the target first and write it piece by piece, before the eyes of a reader.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
    try:
        part.write_bytes(data)
        return storage.save(key, _Movable(part, len(data)))
    finally:
        part.unlink(missing_ok=True)


class _Movable(File):
    """A closed file that a file system storage takes over by renaming it."""

    def __init__(self, path: Path, size: int) -> None:
        super().__init__(None, name=str(path))
        self.path, self.size = path, size

    def temporary_file_path(self) -> str:
        return str(self.path)


def _get(key: str) -> bytes | None:
    try:
        with _storage().open(key, "rb") as file:
            return file.read()
    except FileNotFoundError:
        return None


def _metadata(data: bytes) -> dict[str, str]:
    """The metadata in a safetensors header: a length in 8 bytes, then JSON."""
    length = int.from_bytes(data[:8], "little")
    if length > len(data) - 8:
        raise ValueError("The header is longer than the file.")
    return json.loads(data[8 : 8 + length])["__metadata__"]


def _listdir(folder: str) -> tuple[list[str], list[str]]:
    try:
        return _storage().listdir(folder)
    except (FileNotFoundError, NotADirectoryError):  # an object store has no folders and lists nothing
        return [], []


def _walk(folder: str) -> Iterator[str]:
    folders, files = _listdir(folder)
    for name in files:
        yield posixpath.join(folder, name)
    for name in folders:
        yield from _walk(posixpath.join(folder, name))


def _delete_folder(folder: str) -> None:
    storage = _storage()
    folders, files = _listdir(folder)
    for name in files:
        storage.delete(posixpath.join(folder, name))
    for name in folders:
        _delete_folder(posixpath.join(folder, name))
    with suppress(OSError), suppress(NotImplementedError):
        # An object store has no folder to remove. A folder that is not empty got a new file from a worker that does
        # not know yet that the job is over; `manage.py prune` takes that.
        os.rmdir(storage.path(folder))
