"""Helpers that work on any storage backend, the folder backend, and the error of a storage that does not work."""

import errno
import os
import posixpath
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Protocol, runtime_checkable

from django.conf import settings
from django.core.files.base import File
from django.core.files.storage import FileSystemStorage, Storage, storages

from auravideo.core import files
from auravideo.core.liveness import progress

NO_ANSWER, DISK_FULL, DISK_READ_ONLY, DISK_LOW = "storage-waiting", "disk-full", "disk-read-only", "disk-low"
_FULL = {errno.ENOSPC, errno.EDQUOT}
_REFUSED = {errno.EACCES, errno.EPERM}
_AWAY = {errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.ENOTCONN, errno.ENODEV, errno.ENXIO, errno.EHOSTDOWN}
MEGABYTE = 10**6


class StorageUnavailable(Exception):
    """The storage cannot be reached, refuses, or broke off. Not the fault of what was stored, and usually transient.

    `reason` is the ID of the warning that tells the owner of a clip (generation/domain/errors.py).
    """

    def __init__(self, message: str, reason: str = NO_ANSWER) -> None:
        super().__init__(message)
        self.reason = reason


def reason_of(error: OSError, *, of_permissions: bool = True) -> str | None:
    """Return why a disk does not work, as in StorageUnavailable; None if the error means something else.

    Args:
        of_permissions: whether missing permissions count. They do for a folder that was writable before.
    """
    if error.errno in _FULL:
        return DISK_FULL
    if error.errno == errno.EROFS or (of_permissions and error.errno in _REFUSED):
        return DISK_READ_ONLY
    return NO_ANSWER if error.errno in _AWAY else None


class FolderStorage(FileSystemStorage):
    """Django's storage in a folder, with atomic writes: a full disk leaves no half-written and no empty files.

    Raises StorageUnavailable if the disk is full, read-only or gone.
    """

    def _save(self, name: str, content: File) -> str:
        target = Path(self.path(name))
        with _working("store", target):
            target.parent.mkdir(parents=True, exist_ok=True)
            with files.replacing(target) as part:
                with part.open("wb") as stream:
                    for block in content.chunks():
                        stream.write(block)
                        progress.advance()
                if self.file_permissions_mode is not None:
                    part.chmod(self.file_permissions_mode)
        return name

    def open(self, name: str, mode: str = "rb") -> File:
        with _working("open", self.path(name)):
            return super().open(name, mode)

    def delete(self, name: str) -> None:
        with _working("delete", self.path(name)):
            super().delete(name)


@contextmanager
def _working(verb: str, path: object) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = reason_of(error)
        if reason is None:
            raise
        raise StorageUnavailable(f"Cannot {verb} {path}: {error.strerror}", reason) from error


def folders() -> dict[str, Path]:
    """Return the folders of this machine that the site writes to, by name: the home, and storages that are folders."""
    found = {"home": Path(settings.HOME)}
    for name, alias in (("media", "default"), ("frames", "frames")):
        with suppress(NotImplementedError):
            found[name] = Path(storages[alias].path(""))
    return found


def states() -> dict[str, str]:
    """Return how each of `folders` is: "ok", "low" on space, "full", "read-only" or "missing"."""
    is_database_here = settings.DATABASES["default"]["ENGINE"].endswith("sqlite3")
    return {name: _state(path, is_database_here or name != "home") for name, path in folders().items()}


def _state(folder: Path, must_be_writable: bool) -> str:
    while not folder.exists() and folder != folder.parent:  # made with its first file
        folder = folder.parent
    try:
        free = shutil.disk_usage(folder).free
    except OSError:
        return "missing"
    if must_be_writable and not os.access(folder, os.W_OK | os.X_OK):
        return "read-only"
    return "full" if free < MEGABYTE else "low" if free < settings.MIN_FREE_MB * MEGABYTE else "ok"


def free_bytes() -> int | None:
    """Return how many bytes of clips the disk has room for before new ones are refused; None for other storages."""
    folder = folders().get("media")
    while folder is not None and not folder.exists() and folder != folder.parent:
        folder = folder.parent
    try:
        return None if folder is None else max(0, shutil.disk_usage(folder).free - settings.MIN_FREE_MB * MEGABYTE)
    except OSError:
        return 0


def require_room() -> None:
    """Raise StorageUnavailable if a folder has no room for another clip."""
    reasons = {"low": DISK_LOW, "full": DISK_FULL, "read-only": DISK_READ_ONLY, "missing": NO_ANSWER}
    for name, state in states().items():
        if state != "ok":
            raise StorageUnavailable(f"{folders()[name]} is {state}", reasons[state])


@runtime_checkable
class DeletesFolders(Protocol):
    """A storage that deletes a folder faster than file by file."""

    def delete_folder(self, folder: str) -> None: ...


def delete_folder(storage: Storage, folder: str) -> None:
    """Delete everything below `folder`; safe if it is missing or another process is deleting it too."""
    if isinstance(storage, DeletesFolders):
        storage.delete_folder(folder)
        return
    try:
        folders, files = storage.listdir(folder)
    except (FileNotFoundError, NotADirectoryError):  # object stores have no folders and list nothing
        return
    for name in files:
        storage.delete(posixpath.join(folder, name))
    for name in folders:
        delete_folder(storage, posixpath.join(folder, name))
    with suppress(OSError, NotImplementedError):  # object stores have none; a worker may just have written
        os.rmdir(storage.path(folder))


def delete_file(storage: Storage, name: str) -> None:
    """Delete a file, and its folder if that is then empty; a missing file is fine."""
    storage.delete(name)
    if folder := posixpath.dirname(name):
        with suppress(OSError, NotImplementedError):  # not empty, or an object store
            os.rmdir(storage.path(folder))
