"""All checks of the site's storages."""

from collections.abc import Iterator
from typing import cast

from django.conf import settings
from django.core.files.storage import FileSystemStorage, Storage, storages

from auravideo.core.s3 import S3Storage
from auravideo.storage_checks import folder, s3
from auravideo.storage_checks.findings import Finding, State

ALIASES = ("default", "frames")
MOST_ATTEMPTS, MOST_SECONDS = 2, 15  # somebody is waiting for the answer


def check_all() -> Iterator[Finding]:
    """Yield the findings for the storages of videos (`default`) and frames. Safe to run many times at once."""
    for alias in ALIASES:
        yield from check(alias, storages[alias])


def check(alias: str, storage: Storage) -> Iterator[Finding]:
    """Yield the findings for one storage."""
    if isinstance(storage, FileSystemStorage):
        yield from folder.check(alias, storage)
    elif isinstance(storage, S3Storage):
        impatient = s3.same_store(
            storage,
            attempts=min(storage.attempts, MOST_ATTEMPTS),
            read_timeout=min(storage.read_timeout, MOST_SECONDS),
        )
        public = cast(S3Storage, storages["public"])  # settings.py gives both the same backend
        yield from s3.check(alias, impatient, public, settings.S3_FRAMES_DAYS)
    else:
        fix = "Nothing to do if you know this storage: we have no checks for it."
        yield Finding(alias, "backend", State.WARNING, type(storage).__name__, fix)
