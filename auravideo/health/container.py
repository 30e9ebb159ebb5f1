"""The health check of a web container: exits with 0 if the site works, otherwise with 1 and the reason.

    python -I auravideo/health/container.py [PORT]

Compose marks a container as unhealthy and leaves it at that; it starts again what exits. So this also kills a web
server that has accepted its questions for a minute and answered none, and the restart policy does the rest. Time in
which the server got no CPU does not count. One that answers is never killed, whatever it answers.

A script of its own, standard library only: it runs four times a minute, where starting Django would cost more than the
answer is worth.
"""

import http.client
import os
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path

ASK_SECONDS = 4.0  # two questions, and Compose gives up after ten seconds
HUNG_SECONDS, QUESTIONS = 60.0, 4  # at least so many, in case the whole container was frozen
SERVER = b"auravideo.asgi:application"
NOTES = Path("/tmp/unanswered")  # noqa: S108  the container's own, in memory


def status(port: int, path: str) -> int | None:
    """Return what the server answers; None if it accepts and does not answer. Raises OSError if it does not accept."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=ASK_SECONDS)
    connection.connect()
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def is_hung(server: int, notes: Path, now: float) -> bool:
    """Note that a question was not answered. Return whether that was one too many."""
    waited = _waited(server)
    known = notes.read_text().split() if notes.exists() else []
    if len(known) != 4 or known[0] != str(server):
        known = [str(server), str(now), str(waited), "0"]
    since, waited_before, count = float(known[1]), float(known[2]), int(known[3]) + 1
    notes.write_text(f"{server} {since} {waited_before} {count}")
    return count >= QUESTIONS and now - since - (waited - waited_before) >= HUNG_SECONDS


def _waited(pid: int) -> float:
    """Return for how long the main thread of a process has waited for a CPU, in seconds."""
    try:
        return int(Path(f"/proc/{pid}/schedstat").read_text().split()[1]) / 1e9
    except (OSError, IndexError, ValueError):
        return 0.0


def server() -> int | None:
    """Return the web server's process. None outside of a container, where it is none of our business.

    A health check has no parent in its container.
    """
    if os.getppid() != 0:
        return None
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if SERVER in (folder / "cmdline").read_bytes().split(b"\0") and _parent(folder) == 1:
                return int(folder.name)
    return None


def _parent(folder: Path) -> int:
    return int((folder / "stat").read_text().rpartition(")")[2].split()[1])


def main() -> int:
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 8000
    try:
        found = status(port, "/healthz")
        is_alive = found is not None or status(port, "/healthz/live") is not None
    except OSError as error:
        sys.stderr.write(f"the server does not accept connections: {error}\n")
        return 1
    if is_alive:
        NOTES.unlink(missing_ok=True)
        if found != 200:
            sys.stderr.write(f"/healthz answered {found}\n")
        return int(found != 200)
    pid = server()
    sys.stderr.write("the server does not answer\n")
    if pid is not None and is_hung(pid, NOTES, time.monotonic()):
        NOTES.unlink()
        os.kill(pid, signal.SIGKILL)
    return 1


if __name__ == "__main__":
    sys.exit(main())
