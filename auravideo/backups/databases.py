"""The database as one file: PostgreSQL's own dump, or a consistent copy of SQLite's file while the site runs."""

import os
import shutil
import sqlite3
import subprocess
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from django.conf import settings
from django.db import connections

from auravideo.backups import BackupError

POSTGRESQL, SQLITE = "database.dump", "database.sqlite3"


def dump(folder: Path) -> Path:
    """Write the database into `folder` and return the file. Raises BackupError."""
    if not is_sqlite():
        path = folder / POSTGRESQL
        _run("pg_dump", "--format=custom", "--no-owner", "--no-privileges", f"--file={path}")
        return path
    path = folder / SQLITE
    with closing(sqlite3.connect(_file())) as source, closing(sqlite3.connect(path)) as copy:
        source.backup(copy)
    return path


def restore(folder: Path) -> None:
    """Replace the database by the one in `folder`. Raises BackupError; then the database is as before."""
    name = SQLITE if is_sqlite() else POSTGRESQL
    path = folder / name
    if not path.is_file():
        raise BackupError(f"{folder} has no {name}. It was made from another kind of database, or is not a backup.")
    connections.close_all()
    if not is_sqlite():
        # In one transaction: whatever goes wrong, nothing has changed.
        options = ("--clean", "--if-exists", "--no-owner", "--no-privileges", "--single-transaction", "--exit-on-error")
        _run("pg_restore", *options, str(path))
        return
    with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(_file())) as target:
        source.backup(target)


def is_sqlite() -> bool:
    """Return whether this site uses SQLite."""
    return settings.DATABASES["default"]["ENGINE"].endswith("sqlite3")


def _file() -> Path:
    return Path(settings.DATABASES["default"]["NAME"])


def _run(program: str, *options: str) -> None:
    """Run a client program of PostgreSQL. The password goes through its environment, which only we can read."""
    database = settings.DATABASES["default"]
    if shutil.which(program) is None:
        raise BackupError(f"{program} is not installed. Install it with: sudo apt-get install postgresql-client")
    variables = {
        "PGHOST": database.get("HOST") or database.get("OPTIONS", {}).get("host", ""),
        "PGPORT": str(database.get("PORT") or ""),
        "PGUSER": database.get("USER", ""),
        "PGPASSWORD": database.get("PASSWORD", ""),
        "PGDATABASE": database["NAME"],
    }
    environment = {**os.environ, **{name: value for name, value in variables.items() if value}}
    command: Sequence[str] = [program, *options]
    if program == "pg_restore":
        command = [*command, f"--dbname={database['NAME']}"]
    done = subprocess.run(  # noqa: S603  PostgreSQL's programs
        command, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise BackupError(f"{program} failed: {done.stderr.strip() or f'exit code {done.returncode}'}")
