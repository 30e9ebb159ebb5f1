"""Run everything the site needs, or this machine's part of it, with one command."""

import os
import signal
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress

import redis
import structlog
from django.conf import settings
from django.core.management import BaseCommand, CommandError, CommandParser
from django.db import OperationalError

from auravideo import address
from auravideo.commands import manage
from auravideo.core import static_files
from auravideo.core.liveness.parents import adopt_orphans
from auravideo.core.logs import lines
from auravideo.core.machine import permissions
from auravideo.core.metrics import gpus
from auravideo.doctor import joining
from auravideo.server import crew, migrations, node_names, processes, redis_server, scheduler, shared, web
from auravideo.server.supervisor import Process, Supervisor
from generation.queue import broker
from generation.queue.monitoring import failing
from generation.queue.monitoring.failing import Failing

READY_SECONDS = 180
WEB, WORKERS, SCHEDULER = PARTS = ("web", "workers", "scheduler")
SITE = processes.SITE

Check = Callable[[], list[str]]  # returns the names of the processes that do not answer


class Command(BaseCommand):
    help = (
        "Run the site: a private Redis unless REDIS_URL is set, the pages, the workers, the scheduler. "
        "Where other machines run the rest, --only runs a part."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--host", default=settings.HOST, help="address to listen on (default: %(default)s)")
        parser.add_argument("--port", type=int, default=settings.PORT, help="port (default: %(default)s)")
        parser.add_argument("--only", metavar="PART", help=f"run only these, comma-separated: {', '.join(PARTS)}")
        parser.add_argument(
            "--queues",
            help="the workers to run, as queue or queue:card, such as generate:0,generate:1; "
            "'' for none (default: AURAVIDEO_WORKERS, otherwise one worker per queue)",
        )
        parser.add_argument("--name", help="this machine's part of the workers' names (default: its host name)")

    def handle(
        self, *, host: str, port: int, only: str | None, queues: str | None, name: str | None, **_options: object
    ) -> None:
        structlog.contextvars.bind_contextvars(process="serve")  # as the lines of its children name theirs
        settings.IS_PRIVATE = settings.IS_PRIVATE and address.is_of_this_machine(host)  # HOST, as --host has it
        parts = _parts(only)
        workers, machine = _workers(parts, queues, name)
        nodes = [worker.node(machine) for worker in workers]
        shared.check()
        permissions.close(permissions.of_home(settings.HOME), settings.UMASK)
        listener = _hold_port(host, port) if WEB in parts else None
        sites = _sites(listener, host, port)
        supervisor = Supervisor([*sites, *_others(parts, workers, machine)], report=_reporter(machine))
        private = redis_server.PrivateRedis(redis_server.private_socket(), lambda: supervisor.is_stopping)
        supervisor.tend = private.ensure
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, supervisor.ask_to_stop)
        adopt_orphans()
        names = ExitStack()
        try:
            names.enter_context(_names(nodes, supervisor))
            private.ensure()
            self._prepare(parts, supervisor)
            if len(sites) > 1 and listener is not None:
                listener.listen(web.BACKLOG)
            elif listener is not None:
                listener.close()  # the only process listens itself
            supervisor.start()
            missing = self._wait_until_ready(supervisor, _checks(parts, host, port, nodes))
            if not supervisor.is_stopping:
                if WEB in parts and not settings.IS_PRIVATE:
                    self._say(joining.at_start())
                what = f"at {_address(host, port)}" if WEB in parts else f"to run {', '.join(nodes) or 'the scheduler'}"
                self._say(f"AuraVideo is ready {what}" if not missing else _incomplete(what, missing))
            supervisor.watch()
        finally:
            supervisor.stop()
            private.stop()
            names.close()

    def _prepare(self, parts: Sequence[str], supervisor: Supervisor) -> None:
        """Bring the database up to date and collect static files, or wait until the machine with the pages has."""
        try:
            if WEB in parts:
                migrations.migrate()
                static_files.collect()
            elif WORKERS in parts:
                self._wait_for_migrations(supervisor)
        except OperationalError as error:
            raise CommandError(f"The database does not answer: {str(error).strip()}") from None

    def _wait_for_migrations(self, supervisor: Supervisor) -> None:
        if not migrations.wait(READY_SECONDS, lambda: supervisor.is_stopping) and not supervisor.is_stopping:
            raise CommandError(f"The database lacks migrations. Run `{manage('migrate')}`, or start the pages first.")

    def _wait_until_ready(self, supervisor: Supervisor, checks: Sequence[Check]) -> list[str]:
        """Wait until everything answers, or there is no point in waiting longer. Return what does not answer.

        Raises:
            CommandError: the pages do not answer; without them there is nothing to keep up.
        """
        deadline = time.monotonic() + READY_SECONDS
        missing: list[str] = []
        while not supervisor.is_stopping:
            _refuse_failed_start(supervisor)
            supervisor.step()  # an older instance of this site may just have shut down the Redis it shared
            missing = [name for check in checks for name in check()]
            is_late = time.monotonic() > deadline
            if SITE in missing and is_late:
                raise CommandError(f"The site did not become ready within {READY_SECONDS} s; see the output above.")
            hopeless = {process.name for process in supervisor.failing}
            if is_late or hopeless.issuperset(missing):
                break
            supervisor.pause(0.3)
        return missing

    def _say(self, sentence: str) -> None:
        self.stdout.write(lines.own("serve", sentence, settings.LOG_FORMAT))
        self.stdout.flush()


def _parts(only: str | None) -> tuple[str, ...]:
    if only is None:
        return PARTS
    chosen = [part.strip() for part in only.split(",") if part.strip()]
    if not chosen or set(chosen) - set(PARTS):
        raise CommandError(f"--only takes {', '.join(PARTS)}, not '{only}'.")
    return tuple(part for part in PARTS if part in chosen)


def _workers(parts: Sequence[str], queues: str | None, name: str | None) -> tuple[tuple[crew.Worker, ...], str]:
    """Return the workers to run and this machine's name."""
    if WORKERS not in parts and (queues or name):
        raise CommandError("--queues and --name are about workers, which --only leaves out.")
    setting = "AURAVIDEO_WORKERS" if queues is None else "--queues"
    try:
        machine = crew.host(name)
        # An empty --queues means none, for a machine that serves the pages only.
        found = () if queues == "" or WORKERS not in parts else crew.parse(queues or settings.WORKERS)
        if any(worker.device for worker in found):
            crew.check_cards(found, gpus.read(), gpus.count())
    except crew.InvalidCrew as error:
        raise CommandError(f"{setting}: {error}") from None
    if not found and parts == (WORKERS,):
        raise CommandError("There is nothing to run: --queues names no queue.")
    return found, machine


@contextmanager
def _names(nodes: Sequence[str], supervisor: Supervisor) -> Iterator[None]:
    """Keep the names of this machine's workers for this process alone."""
    try:
        with node_names.held(settings.HOME, nodes, lambda: supervisor.is_stopping):
            yield
    except node_names.NameTaken as taken:
        raise CommandError(
            f"{taken} Stop that one, or leave the workers to it (--only web), or name these apart: --name second."
        ) from None


def _sites(listener: socket.socket | None, host: str, port: int) -> list[Process]:
    """Return the web processes; none without a socket to listen on."""
    if listener is None:
        return []
    count = web.count(host)
    return [processes.site(host, port)] if count == 1 else processes.sites(listener, host, count)


def _others(parts: Sequence[str], workers: Sequence[crew.Worker], machine: str) -> list[Process]:
    found = [processes.worker(worker, machine) for worker in workers]
    return found + ([processes.scheduler()] if SCHEDULER in parts else [])


def _checks(parts: Sequence[str], host: str, port: int, nodes: Sequence[str]) -> list[Check]:
    """Return what has to answer before this machine's part of the site is ready."""
    checks: list[Check] = []
    if WEB in parts:
        checks.append(lambda: [] if _pages_answer(host, port) else [SITE])
    if nodes:
        checks.append(lambda: [node.rpartition("@")[0] for node in sorted(set(nodes) - broker.answering(nodes))])
    if SCHEDULER in parts:
        checks.append(lambda: [] if _somebody_schedules() else [SCHEDULER])
    return checks


def _refuse_failed_start(supervisor: Supervisor) -> None:
    """Fail if a process without which there is nothing to keep up exits before the site is ready."""
    for process in supervisor.processes:
        if process.must_start and (process.backoff.failures or not process.is_running):
            raise CommandError(f"{process.name} exited unexpectedly; see its output above.")


def _incomplete(what: str, missing: Sequence[str]) -> str:
    return f"AuraVideo is up {what}, but these do not answer: {', '.join(missing)}. See the output above."


def _reporter(machine: str) -> Callable[[Sequence[Process]], None]:
    """Return what tells the site which processes of this machine keep exiting or do not answer."""
    supervisor = f"{machine}:{os.getpid()}"

    def report(processes: Sequence[Process]) -> None:
        found = [
            Failing(f"{process.name}@{machine}", process.backoff.failures, is_silent=process.is_silent)
            for process in processes
        ]
        with suppress(redis.RedisError):  # soon reported again
            failing.report(supervisor, found)

    return report


def _hold_port(host: str, port: int) -> socket.socket:
    """Take the port. If it is taken already, fail at once instead of after minutes of waiting."""
    try:
        return web.bind(host, port)
    except OSError as error:
        hint = "Stop the program that uses it, or choose another port: PORT=8001 make run"
        raise CommandError(f"Cannot listen on {host}:{port}: {error.strerror}. {hint}") from None


def _address(host: str, port: int) -> str:
    name = "127.0.0.1" if host in ("0.0.0.0", "::") else host  # noqa: S104  compared, not listened on
    return f"http://[{name}]:{port}" if ":" in name else f"http://{name}:{port}"


def _pages_answer(host: str, port: int) -> bool:
    try:
        with urllib.request.urlopen(f"{_address(host, port)}/healthz", timeout=3) as response:  # noqa: S310  our own server
            return response.status == 200
    except (urllib.error.URLError, OSError):
        return False


def _somebody_schedules() -> bool:
    """Return whether a scheduler is at work: this machine's, or another's while this one stands by."""
    try:
        return bool(scheduler.holder(broker.connection()))
    except redis.RedisError:
        return False
