"""Deletion helpers that work on any storage backend."""

import os
import posixpath
from contextlib import suppress

from django.core.files.storage import Storage


def delete_folder(storage: Storage, folder: str) -> None:
    """Delete everything below `folder`; safe if it is missing or another process is deleting it too."""
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
