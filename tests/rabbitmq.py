"""A temporary RabbitMQ server: `python -m tests.rabbitmq COMMAND...` runs COMMAND with it.

COMMAND finds its address in TEST_BROKER_URL, which tests/environment.py turns into BROKER_URL. Erlang's port mapper
gets a port of its own and stops with the server, so nothing is left behind.
"""

import contextlib
import glob
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tests.rigs.ports import free_ports

START_SECONDS = 120  # Erlang takes a while
# As docs/scaling.md asks for: longer than the longest stage, or RabbitMQ cuts off the worker that runs it.
CONFIG = """
listeners.tcp.1 = 127.0.0.1:{port}
consumer_timeout = {consumer_timeout}
default_user = auravideo
default_pass = auravideo
log.console = true
log.console.level = warning
log.file = false
"""


@contextlib.contextmanager
def running(consumer_timeout: int = 12 * 3600 * 1000) -> Iterator[str]:
    """Yield the address of a server that stops with the block.

    Args:
        consumer_timeout: milliseconds that a message may stay unacknowledged.
    Raises:
        FileNotFoundError: RabbitMQ is not installed.
    """
    server = _binary("rabbitmq-server")
    folder = Path(tempfile.mkdtemp(prefix="auravideo-mq-"))
    port, distribution, mapper = free_ports(3)
    (folder / "rabbitmq.conf").write_text(CONFIG.format(port=port, consumer_timeout=consumer_timeout))
    (folder / "plugins").write_text("[].")
    environment = {
        **{name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ},
        "HOME": str(folder),  # Erlang's cookie
        "ERL_EPMD_PORT": str(mapper),
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        "RABBITMQ_NODENAME": f"test{port}@localhost",
        "RABBITMQ_DIST_PORT": str(distribution),
        "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
        "RABBITMQ_MNESIA_BASE": str(folder / "data"),
        "RABBITMQ_LOG_BASE": str(folder / "log"),
        "RABBITMQ_PID_FILE": str(folder / "pid"),
        "RABBITMQ_CONF_ENV_FILE": "/dev/null",  # not the machine's own settings
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 1:1 +sbwt none",
    }
    with (folder / "out").open("wb") as log:
        process = subprocess.Popen(
            [server], env=environment, stdout=log, stderr=log, cwd=folder, start_new_session=True
        )
    try:
        _wait(process, port, folder)
        yield f"amqp://auravideo:auravideo@127.0.0.1:{port}//"
    finally:
        _stop(process, environment)
        shutil.rmtree(folder, ignore_errors=True)


def _stop(process: subprocess.Popen, environment: dict[str, str]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(30)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    mapper = shutil.which("epmd")
    if mapper:  # it detached itself from the server
        subprocess.run([mapper, "-kill"], env=environment, check=False, capture_output=True)


def _wait(process: subprocess.Popen, port: int, folder: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
            connection.sendall(b"AMQP\x00\x00\x09\x01")
            if connection.recv(1):
                return
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"RabbitMQ did not start:\n{(folder / 'out').read_text()}")
        time.sleep(0.2)


def _binary(name: str) -> str:
    """Return the path of a server program; Debian's own wrapper in PATH changes to another user."""
    installed = sorted(glob.glob(f"/usr/lib/rabbitmq/lib/rabbitmq_server-*/sbin/{name}"), reverse=True)
    found = next(iter(installed), None) or shutil.which(name)
    if found is None:
        raise FileNotFoundError(f"{name} is not installed: sudo apt-get install rabbitmq-server")
    return found


def main() -> int:
    with running() as url:
        environment = {**os.environ, "BROKER_URL": url, "TEST_BROKER_URL": url}
        return subprocess.run(sys.argv[1:], env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
