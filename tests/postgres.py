"""A temporary PostgreSQL server: `python -m tests.postgres COMMAND...` runs COMMAND with it.

COMMAND finds its URL in DATABASE_URL, and in TEST_DATABASE_URL, which tests/environment.py keeps.
"""

import contextlib
import glob
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

OWNERS = ("postgres", "nobody")  # PostgreSQL refuses to run as root
START_SECONDS = 60
# The data is thrown away, so nothing needs to reach the disk.
OPTIONS = ("-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off", "-c", "listen_addresses=")


@contextlib.contextmanager
def running(*options: str) -> Iterator[str]:
    """Yield the URL of a server that stops with the block. Raise FileNotFoundError if PostgreSQL is not installed."""
    owner = _owner()
    folder = Path(tempfile.mkdtemp(prefix="auravideo-pg-"))
    folder.chmod(0o711)
    if owner:
        shutil.chown(folder, owner)
    data = folder / "data"
    start = {"user": owner, "cwd": folder} if owner else {"cwd": folder}
    made = [_binary("initdb"), "-D", data, "-U", "auravideo", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "-N"]
    subprocess.run(made, check=True, stdout=subprocess.DEVNULL, **start)
    with (folder / "log").open("wb") as log:
        command = [_binary("postgres"), "-D", data, "-k", folder, *OPTIONS, *options]
        server = subprocess.Popen(command, stdout=log, stderr=log, **start)
    try:
        _wait(server, folder)
        yield f"postgresql://auravideo@/postgres?host={folder}"
    finally:
        server.send_signal(signal.SIGINT)  # a fast shutdown; after SIGTERM it would wait for its clients to leave
        server.wait(30)
        shutil.rmtree(folder, ignore_errors=True)


def _wait(server: subprocess.Popen, folder: Path) -> None:
    ask = [_binary("pg_isready"), "-h", folder, "-U", "auravideo", "-q"]
    deadline = time.monotonic() + START_SECONDS
    while subprocess.run(ask, check=False).returncode:
        if server.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"PostgreSQL did not start:\n{(folder / 'log').read_text()}")
        time.sleep(0.1)


def _owner() -> str | None:
    """Return the user that runs it if we are root."""
    if os.getuid():
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return next(name for name in OWNERS if name in names)


def _binary(name: str) -> str:
    """Return the path of a server program; Debian keeps them out of PATH."""
    installed = sorted(glob.glob(f"/usr/lib/postgresql/*/bin/{name}"), reverse=True)
    found = next(iter(installed), None) or shutil.which(name)
    if found is None:
        raise FileNotFoundError(f"{name} is not installed: sudo apt-get install postgresql")
    return found


def main() -> int:
    with running() as url:
        environment = {**os.environ, "DATABASE_URL": url, "TEST_DATABASE_URL": url}
        return subprocess.run(sys.argv[1:], env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
