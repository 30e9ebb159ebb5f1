"""Migrations when many machines start at once: one runs them, the others wait."""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from django.conf import settings
from django.core.management import call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.recorder import MigrationRecorder

from auravideo.core.files import locked

logger = logging.getLogger(__name__)

_LOCK = 0x617572617669  # any number that no other program uses on this database
POLL_SECONDS = 1.0


def migrate() -> None:
    """Run what migrations there are; wait first if another process is running them."""
    with _alone():
        call_command("migrate", interactive=False, verbosity=0)


def create_tables() -> None:
    """Run the migrations if the database is empty, so that commands work before the site's first start.

    A database of an earlier version is left alone: upgrading it is for `serve` and `migrate`, on purpose.
    """
    if not MigrationRecorder(connection).has_table():
        migrate()


def pending() -> list[str]:
    """Return the migrations that the database lacks."""
    executor = MigrationExecutor(connection)
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    return [f"{migration.app_label}.{migration.name}" for migration, _backwards in plan]


def wait(seconds: float, is_stopping: Callable[[], bool]) -> bool:
    """Wait until another process has run the migrations. Return False if `seconds` pass or the site stops first."""
    deadline = time.monotonic() + seconds
    told = False
    while missing := pending():
        connection.close()  # SQLite would keep reading the same snapshot
        if is_stopping() or time.monotonic() > deadline:
            return False
        if not told:
            logger.warning("Waiting for %s migrations, which `serve` or `migrate` runs elsewhere", len(missing))
            told = True
        time.sleep(POLL_SECONDS)
    return True


@contextmanager
def _alone() -> Iterator[None]:
    """Hold a lock that other machines' migrations wait for and that dies with its holder."""
    if connection.vendor != "postgresql":
        with locked(settings.HOME / "migrate.lock"):
            yield
        return
    # The lock belongs to a transaction, not to a session, so that it works through a connection pooler too.
    own = connection.copy()
    try:
        own.set_autocommit(False)
        with own.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
        yield
    finally:
        own.close()
