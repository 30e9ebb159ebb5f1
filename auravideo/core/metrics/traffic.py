"""Bytes moved to and from the storage."""

from collections.abc import Iterator
from contextlib import contextmanager

from auravideo.core.metrics.declared import STORAGE_BYTES, STORAGE_ERRORS

READ, WRITE = "read", "write"


def add(storage: str, direction: str, size: int) -> None:
    """Count `size` bytes moved; `storage` is the alias in settings.STORAGES."""
    STORAGE_BYTES.labels(storage=storage, direction=direction).inc(size)


@contextmanager
def counted(storage: str, direction: str, size: int = 0) -> Iterator[None]:
    """Count a transfer: `size` bytes if the block ends, an error if it raises. A missing file is an answer."""
    try:
        yield
    except FileNotFoundError:
        raise
    except Exception:
        STORAGE_ERRORS.labels(storage=storage, direction=direction).inc()
        raise
    add(storage, direction, size)
