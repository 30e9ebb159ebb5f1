"""Helpers that work on any storage backend, and the error of one that does not work."""

import os
import posixpath
from contextlib import suppress
from typing import Protocol, runtime_checkable

from django.core.files.storage import Storage


class StorageUnavailable(Exception):
    """The storage cannot be reached, refuses, or broke off. Not the fault of what was stored, and usually transient."""


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
