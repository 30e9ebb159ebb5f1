"""Several threads that do the same at the same moment, each with a database connection of its own."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from django.db import connection

R = TypeVar("R")


def all_at_once(call: Callable[[], R], times: int) -> list[R]:
    """Return what `call` returns in each of `times` threads that begin together. Raises what one of them raises."""
    together = threading.Barrier(times)

    def enter() -> R:
        together.wait(10)
        try:
            return call()
        finally:
            connection.close()

    with ThreadPoolExecutor(times) as threads:
        futures = [threads.submit(enter) for _ in range(times)]
        return [future.result(30) for future in futures]


def somebody_waits_for_a_lock() -> bool:
    """Return whether a connection to this PostgreSQL server waits for another one."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
        return cursor.fetchone()[0] > 0
