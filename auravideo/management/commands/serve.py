"""Run everything the site needs with one command."""

import os
import signal
import socket
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

from django.conf import settings
from django.core.management import BaseCommand, CommandError, CommandParser, call_command

from auravideo.core import static_files
from auravideo.core.logs import lines
from auravideo.server import redis_server
from auravideo.server.supervisor import Process, Supervisor
from generation.domain.stages import QUEUES, STAGES
from generation.domain.states import Stage
from generation.queue import broker

READY_SECONDS = 180
# Celery warns about root because of pickle; we accept JSON only.
_WARNINGS = "ignore:You're running the worker with superuser privileges"
_CELERY = [sys.executable, "-W", _WARNINGS, "-m", "celery", "--quiet", "-A", "auravideo"]


class Command(BaseCommand):
    help = "Run the site: a private Redis unless REDIS_URL is set, the pages, one worker per queue, the scheduler."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--host", default=settings.HOST, help="address to listen on (default: %(default)s)")
        parser.add_argument("--port", type=int, default=settings.PORT, help="port (default: %(default)s)")
        parser.add_argument(
            "--queues", default=",".join(QUEUES), help="queues to run workers for (default: %(default)s)"
        )

    def handle(self, *, host: str, port: int, queues: str, **_options: object) -> None:
        names = [name for name in queues.split(",") if name]
        if unknown := set(names) - set(QUEUES):
            raise CommandError(
                f"There is no queue named {', '.join(sorted(unknown))}. The queues: {', '.join(QUEUES)}."
            )
        _refuse_taken_port(host, port)
        redis = redis_server.PrivateRedis(None if settings.REDIS_URL else settings.REDIS_SOCKET)
        supervisor = Supervisor([_daphne(host, port), *map(_worker, names), _scheduler()], tend=redis.ensure)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, supervisor.ask_to_stop)
        try:
            redis.ensure()
            call_command("migrate", interactive=False, verbosity=0)
            static_files.collect()
            supervisor.start()
            if self._wait_until_ready(supervisor, host, port, set(names)):
                ready = f"AuraVideo is ready at {_address(host, port)}"
                self.stdout.write(lines.own("serve", ready, settings.LOG_FORMAT))
                self.stdout.flush()
            supervisor.watch()
        finally:
            supervisor.stop()
            redis.stop()
        if supervisor.failed is not None:
            raise CommandError(f"{supervisor.failed.name} exited unexpectedly; see its output above.")

    def _wait_until_ready(self, supervisor: Supervisor, host: str, port: int, queues: set[str]) -> bool:
        """Wait until the pages answer and every queue has a worker. Return False if the site stops first."""
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline and not supervisor.is_stopping:
            if any(process.vital and not process.is_running for process in supervisor.processes):
                return False  # watch() reports which one
            supervisor.tend()  # an older instance of this site may just have shut down the Redis it shared
            if _pages_answer(host, port) and queues <= broker.live_queues():
                return True
            time.sleep(0.3)
        if not supervisor.is_stopping:
            raise CommandError(f"The site did not become ready within {READY_SECONDS} s; see the output above.")
        return False


def _refuse_taken_port(host: str, port: int) -> None:
    """Fail at once if the port is taken, instead of after minutes of waiting."""
    try:
        socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET).close()
    except OSError as error:
        hint = "Stop the program that uses it, or choose another port: PORT=8001 make run"
        raise CommandError(f"Cannot listen on {host}:{port}: {error.strerror}. {hint}") from None


def _daphne(host: str, port: int) -> Process:
    command = ["-m", "daphne", "-b", host, "-p", str(port), "--verbosity", "0", "auravideo.asgi:application"]
    return Process("site", [sys.executable, *command], vital=True)


def _worker(queue: str) -> Process:
    options = ["-Q", queue, "-n", f"{queue}@%h", "--pool", "prefork", "--concurrency", "1", "--loglevel", "WARNING"]
    quiet = ["--without-gossip", "--without-mingle"]
    command = [*_CELERY, "worker", *options, *quiet]
    runs_tensorflow = queue == STAGES[Stage.INTERPOLATE].queue
    return Process(queue, command, environment=_cuda_for_tensorflow() if runs_tensorflow else {})


def _cuda_for_tensorflow() -> dict[str, str]:
    """Return the library path where TensorFlow finds CUDA 12 (requirements-gpu.txt); empty if not installed."""
    folders = sorted(Path(sys.prefix).glob("cuda12/nvidia/*/lib"))
    paths = [*map(str, folders), *filter(None, [os.environ.get("LD_LIBRARY_PATH")])]
    return {"LD_LIBRARY_PATH": ":".join(paths)} if folders else {}


def _scheduler() -> Process:
    schedule = Path(settings.HOME) / "celerybeat-schedule"
    command = [*_CELERY, "beat", "--schedule", str(schedule), "--pidfile", ""]
    return Process("scheduler", [*command, "--loglevel", "WARNING"])


def _address(host: str, port: int) -> str:
    name = "127.0.0.1" if host in ("0.0.0.0", "::") else host  # noqa: S104
    return f"http://[{name}]:{port}" if ":" in name else f"http://{name}:{port}"


def _pages_answer(host: str, port: int) -> bool:
    name = settings.ALLOWED_HOSTS[0].removeprefix(".") if settings.ALLOWED_HOSTS else "localhost"
    request = urllib.request.Request(f"{_address(host, port)}/healthz", headers={"Host": name})  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=3) as response:  # noqa: S310
            return response.status == 200
    except (urllib.error.URLError, OSError):
        return False
