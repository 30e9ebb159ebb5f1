"""Several threads that do the same at the same moment, each with a database connection of its own."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from django.db import OperationalError, connection

R = TypeVar("R")


def all_at_once(call: Callable[[], R], times: int) -> list[R]:
    """Return what `call` returns in each of `times` threads that begin together. Raises what one of them raises.

    Where the database is in memory, SQLite refuses at once whoever meets another thread in a table, instead of letting
    them wait as in a file. Then the call is made again: it must have changed nothing before it was refused.
    """
    together = threading.Barrier(times)

    def enter() -> R:
        together.wait(10)
        give_up_at = time.monotonic() + 20
        try:
            while True:
                try:
                    return call()
                except OperationalError as error:
                    if "table is locked" not in str(error) or time.monotonic() > give_up_at:
                        raise
                    time.sleep(0.01)
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
