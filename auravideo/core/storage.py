"""Files in a storage, whichever kind it is."""

import os
import posixpath
from contextlib import suppress

from django.core.files.storage import Storage


def delete_folder(storage: Storage, folder: str) -> None:
    """Delete everything below `folder`; nothing there is fine, and so is another process doing the same."""
    try:
        folders, files = storage.listdir(folder)
    except (FileNotFoundError, NotADirectoryError):  # an object store has no folders and lists nothing
        return
    for name in files:
        storage.delete(posixpath.join(folder, name))
    for name in folders:
        delete_folder(storage, posixpath.join(folder, name))
    with suppress(OSError, NotImplementedError):  # an object store has none; a worker may have written meanwhile
        os.rmdir(storage.path(folder))


def delete_file(storage: Storage, name: str) -> None:
    """Delete a file, and the folder that it leaves empty; a file that is gone already is fine."""
    storage.delete(name)
    if folder := posixpath.dirname(name):
        with suppress(OSError, NotImplementedError):  # it is not empty, or an object store, which has none
            os.rmdir(storage.path(folder))
