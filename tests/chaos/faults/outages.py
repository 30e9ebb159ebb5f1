"""What is nobody's fault and passes: a full disk, a locked database, a network that is cut."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager

from tests.chaos.plan import Kind, Planned
from tests.chaos.world import World


def full_disk(world: World, _planned: Planned) -> object:
    return world.disk.full()


def read_only_disk(world: World, _planned: Planned) -> object:
    return world.disk.read_only()


@contextmanager
def locked_database(world: World, _planned: Planned) -> Iterator[None]:
    with closing(sqlite3.connect(world.home / "db.sqlite3", timeout=60, isolation_level=None)) as database:
        database.execute("BEGIN IMMEDIATE")
        yield
        database.execute("ROLLBACK")


KINDS = (
    Kind("the disk is full", full_disk, lasts=True, needs="disks"),
    Kind("the disk is read-only", read_only_disk, lasts=True, needs="disks"),
    Kind("the database is locked", locked_database, lasts=False, needs="sqlite"),
)
