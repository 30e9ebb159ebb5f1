"""The private Redis server, started if REDIS_URL is unset.

It runs the newest redis-server of this machine (redis_program.py) on a socket that only this user can open, with an
append-only file, so that queues survive a restart.
"""

import fcntl
import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import TextIO

import redis
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from auravideo.core.liveness import parents
from auravideo.server import redis_program

START_SECONDS = 30
STOP_SECONDS = 20


def private_socket() -> Path | None:
    """Return where the private server listens, or None if the site uses the server of REDIS_URL."""
    return None if settings.REDIS_URL else settings.REDIS_SOCKET


def start(socket: Path, should_stop: Callable[[], bool] = lambda: False) -> subprocess.Popen | None:
    """Start a server on `socket`; return None if one already answers there.

    Several processes may call this at the same time: one starts the server, the others find it.

    Args:
        should_stop: asked while waiting, whether there is no point in it any more.

    Raises:
        ImproperlyConfigured: it did not start (the message names its log), no executable was found, or its folder
            belongs to another user, who could send our workers tasks.
    """
    folder = socket.parent
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    if folder.is_symlink() or folder.stat().st_uid != os.getuid():
        raise ImproperlyConfigured(f"{folder} belongs to somebody else. Set AURAVIDEO_HOME to a shorter path.")
    folder.chmod(0o700)
    deadline = time.monotonic() + START_SECONDS
    with (folder / "redis.lock").open("a") as lock:
        while not _take(lock):
            if answers(socket):
                return None
            if should_stop() or time.monotonic() > deadline:
                raise ImproperlyConfigured(f"Another process holds {lock.name}, but no Redis server answers there.")
            time.sleep(0.05)
        return None if answers(socket) else _launch(socket, lock, deadline, should_stop)


def _take(lock: TextIO) -> bool:
    """Return whether the lock is now ours. The server inherits it and so holds it for as long as it lives."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _launch(socket: Path, lock: TextIO, deadline: float, should_stop: Callable[[], bool]) -> subprocess.Popen:
    folder = socket.parent
    log = folder / "redis.log"
    command = [
        redis_program.executable(),
        *("--port", "0", "--unixsocket", str(socket), "--unixsocketperm", "700", "--dir", str(folder)),
        *("--appendonly", "yes", "--appendfsync", "everysec", "--save", "", "--logfile", str(log)),
    ]
    # In its own session, so that Ctrl-C in the terminal stops the workers first and Redis last.
    process = subprocess.Popen(  # noqa: S603  the operator's redis-server
        command,
        stdin=subprocess.DEVNULL,
        start_new_session=True,
        preexec_fn=parents.before_exec(),
        pass_fds=[lock.fileno()],
    )
    while not answers(socket):
        if process.poll() is not None or should_stop() or time.monotonic() > deadline:
            process.kill()
            process.wait()
            raise ImproperlyConfigured(f"The private Redis server did not start. Its log is {log}.")
        time.sleep(0.05)
    return process


def answers(socket: Path) -> bool:
    """Return whether a server answers on `socket`."""
    if not socket.exists():
        return False
    try:
        return redis.Redis(unix_socket_path=str(socket), socket_timeout=2).ping()
    except redis.RedisError:
        return False


class PrivateRedis:
    """The private server, kept running as long as the site.

    Args:
        socket: where it listens; None if the site uses another Redis and there is nothing to do.
        should_stop: whether the site is stopping, so that nobody waits for the server to start.
    """

    def __init__(self, socket: Path | None, should_stop: Callable[[], bool] = lambda: False) -> None:
        self.socket = socket
        self._should_stop = should_stop
        self._process: subprocess.Popen | None = None

    def ensure(self) -> None:
        """Start the server, or restart it if it died."""
        if self.socket is not None and (self._process is None or self._process.poll() is not None):
            self._process = start(self.socket, self._should_stop)

    def stop(self) -> None:
        """Stop the server if `ensure` started it."""
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:  # its disk hangs
                self._process.kill()
                self._process.wait()
