"""Frames in transit between stages, in Django's storage `frames`: a folder or S3.

One object per chunk (see generation/domain/storage_keys.py): one tensor `frames`, uint8 `[F, H, W, 3]`; the header
holds fps, index, stage and the SHA-256 of the tensor's bytes, verified on every read. Plain safetensors: any
compression is slower than the disk or network traffic it saves.

Writes are atomic and overwrite, so a stage that runs twice leaves one result.
"""

import hashlib
import io
import json
import posixpath
from collections.abc import Iterator
from contextlib import suppress

import numpy as np
from django.core.files import File
from django.core.files.storage import Storage, storages
from safetensors import SafetensorError
from safetensors.numpy import load, save

from auravideo.core.metrics import traffic
from auravideo.core.storage import delete_folder
from generation.domain import storage_keys
from generation.domain.errors import RenderError
from generation.domain.storage_keys import CHUNK_SUFFIX

_TENSOR = "frames"


def write_chunk(job_id: object, stage: str, index: int, frames: np.ndarray, fps: int) -> str:
    """Store a chunk and return its key.

    Args:
        job_id: the job's UUID.
        stage: the stage that made the frames.
        index: the chunk's number in the plan, from 0.
        frames: uint8 `[F, H, W, 3]`, at least one frame.
        fps: frames per second, stored with them.

    Raises:
        ValueError: wrong dtype or shape, or a name that is not valid in a key.
        StorageUnavailable: see auravideo/core/storage.py.
    """
    frames = np.ascontiguousarray(frames)
    if frames.dtype != np.uint8 or frames.ndim != 4 or frames.shape[3] != 3 or 0 in frames.shape:
        raise ValueError(f"A chunk must be uint8 [frames, height, width, 3], not {frames.dtype} {list(frames.shape)}.")
    key = storage_keys.chunk(job_id, stage, index)
    metadata = {"fps": str(fps), "index": str(index), "stage": stage, "sha256": hashlib.sha256(frames.data).hexdigest()}
    _put(key, save({_TENSOR: frames}, metadata))
    return key


def read_chunk(key: str) -> np.ndarray:
    """Return a chunk written by `write_chunk`: uint8 `[F, H, W, 3]`.

    Raises:
        RenderError: `frames-missing`, or `frames-corrupt` if the content does not match its key or checksum.
        StorageUnavailable: see auravideo/core/storage.py.
    """
    try:
        return _read(key)
    except RenderError as error:
        if error.id != "frames-corrupt":
            raise
    return _read(key)  # the second time, in case they were damaged on the way


def _read(key: str) -> np.ndarray:
    data = _get(key)
    if data is None:
        raise RenderError("frames-missing", key=key)
    try:
        metadata = metadata_of(data)
        frames = load(data)[_TENSOR]
        intact = (
            storage_keys.chunk(storage_keys.job_of(key), metadata["stage"], int(metadata["index"])) == key
            and frames.dtype == np.uint8
            and frames.ndim == 4
            and metadata["sha256"] == hashlib.sha256(np.ascontiguousarray(frames).data).hexdigest()
        )
    except (SafetensorError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise RenderError("frames-corrupt", key=key) from error
    if not intact:
        raise RenderError("frames-corrupt", key=key)
    return frames


def exists(key: str) -> bool:
    """Return whether `key` exists; only reading it shows whether it is intact."""
    return _storage().exists(key)


def list_chunks(job_id: object, stage: str) -> list[str]:
    """Return the keys of a stage's stored chunks, in order."""
    folder = storage_keys.stage_folder(job_id, stage)
    names = [name for name in _listdir(folder)[1] if name.endswith(CHUNK_SUFFIX) and not name.startswith(".")]
    return [f"{folder}/{name}" for name in sorted(names, key=lambda name: (len(name), name))]


def write_preview(job_id: object, data: bytes) -> str:
    """Store a job's live preview, replacing the previous one, and return its key."""
    key = storage_keys.live_preview(job_id)
    _put(key, data)
    return key


def read_preview(job_id: object) -> bytes | None:
    """Return a job's live preview, or None if there is none."""
    return _get(storage_keys.live_preview(job_id))


def write_checkpoint(job_id: object, data: bytes) -> str:
    """Store where `generate` stopped (workers/engines/diffusion/checkpoint.py), and return the key."""
    key = storage_keys.checkpoint(job_id)
    _put(key, data)
    return key


def read_checkpoint(job_id: object) -> bytes | None:
    """Return where `generate` stopped, or None if it did not. What was read may be damaged; its reader finds out."""
    return _get(storage_keys.checkpoint(job_id))


def delete_checkpoint(job_id: object) -> None:
    """Delete where `generate` stopped, if it did."""
    _storage().delete(storage_keys.checkpoint(job_id))


def write_segment(job_id: object, index: int, data: bytes) -> str:
    """Store an encoded segment (workers/encoding/stored.py), and return its key."""
    key = storage_keys.segment(job_id, index)
    _put(key, data)
    return key


def read_segment(job_id: object, index: int) -> bytes | None:
    """Return an encoded segment, or None if there is none. It may be damaged; its reader finds out."""
    return _get(storage_keys.segment(job_id, index))


def delete_job(job_id: object) -> None:
    """Delete all stored files of a job. Idempotent and safe to run concurrently.

    A worker that has not yet noticed that its job ended may write once more; the scheduled task `prune` deletes that.
    """
    delete_folder(_storage(), storage_keys.frames_folder(job_id))


def job_bytes(job_id: object) -> int:
    """Return the total size of a job's stored files, in bytes."""
    total = 0
    for key in _walk(storage_keys.frames_folder(job_id)):
        with suppress(FileNotFoundError):  # just deleted
            total += _storage().size(key)
    return total


def iter_jobs() -> Iterator[str]:
    """Yield the ids of all jobs with stored files."""
    yield from sorted(name for name in _listdir(storage_keys.JOBS)[0] if storage_keys.is_name(name))


def _storage() -> Storage:
    return storages["frames"]


def _put(key: str, data: bytes) -> None:
    storage = _storage()
    with traffic.counted("frames", traffic.WRITE, len(data)):
        saved = storage.save(key, File(io.BytesIO(data), key))
    if saved != key:
        storage.delete(saved)
        raise RuntimeError("The storage 'frames' must overwrite: allow_overwrite for a folder, file_overwrite for S3.")


def _get(key: str) -> bytes | None:
    try:
        with traffic.counted("frames", traffic.READ), _storage().open(key, "rb") as file:
            data = file.read()
    except FileNotFoundError:
        return None
    traffic.add("frames", traffic.READ, len(data))
    return data


def metadata_of(data: bytes) -> dict[str, str]:
    """Return the metadata from a safetensors header: an 8-byte length, then JSON.

    Raises ValueError, LookupError or TypeError if there is none.
    """
    length = int.from_bytes(data[:8], "little")
    if length > len(data) - 8:
        raise ValueError("The header is longer than the file.")
    return json.loads(data[8 : 8 + length])["__metadata__"]


def _listdir(folder: str) -> tuple[list[str], list[str]]:
    try:
        return _storage().listdir(folder)
    except (FileNotFoundError, NotADirectoryError):  # object stores have no folders and list nothing
        return [], []


def _walk(folder: str) -> Iterator[str]:
    folders, files = _listdir(folder)
    for name in files:
        yield posixpath.join(folder, name)
    for name in folders:
        yield from _walk(posixpath.join(folder, name))
