"""The processes that `manage.py serve` starts."""

import os
import socket
import sys
from collections.abc import Sequence
from pathlib import Path

from django.conf import settings

from auravideo.core.computing.libraries import Library, film_library
from auravideo.core.machine import operating_system
from auravideo.core.metrics import gpus
from auravideo.server import answers, web
from auravideo.server.answers import Answers
from auravideo.server.crew import Worker
from auravideo.server.supervisor import Process
from generation.domain.stages import STAGES
from generation.domain.states import Stage

SITE = "site"  # the web server's name; further ones are site-2, site-3 ...

# Rendering takes what pages leave of the processor: a page needs little, and somebody waits for it.
WORKER_NICENESS = 5

# Celery warns about root because of pickle; we accept JSON only.
_WARNINGS = "ignore:You're running the worker with superuser privileges"
_CELERY = [sys.executable, "-W", _WARNINGS, "-m", "celery", "--quiet", "-A", "auravideo"]


def site(host: str, port: int) -> Process:
    """Return the web server of a machine that runs one web process."""
    return _web(SITE, host, "-b", host, "-p", str(port))


def sites(shared: socket.socket, host: str, count: int) -> list[Process]:
    """Return several web servers that accept connections from one socket."""
    names = [SITE, *(f"{SITE}-{number}" for number in range(2, count + 1))]
    file = shared.fileno()
    return [_web(name, host, "--fd", str(file), files=(file,)) for name in names]


def _web(name: str, host: str, *where: str, files: Sequence[int] = ()) -> Process:
    """Return a web server that also listens on an address of its own, where we ask whether it answers.

    It is told where it listens (HOST), because who may join depends on it, and `serve --host` may differ.
    """
    own = web.bind("127.0.0.1", 0)
    own.listen()
    where = (*where, "-e", f"fd:fileno={own.fileno()}")
    command = [sys.executable, "-m", "daphne", *where, "--verbosity", "0", "auravideo.asgi:application"]
    question = answers.of_pages(own)
    files = (*files, own.fileno())
    return Process(name, command, environment={"HOST": host}, must_start=True, files=files, answers=Answers(question))


def scheduler() -> Process:
    """Return the scheduler, which stands by while another machine's schedules."""
    command = [sys.executable, str(settings.BASE_DIR / "manage.py"), "scheduler"]
    return Process("scheduler", command, environment=_heartbeat("scheduler"), answers=Answers(answers.of_scheduler))


def worker(worker: Worker, host: str) -> Process:
    """Return a worker, which sees its own graphics card only."""
    options = ["-Q", worker.queue, "-n", worker.node(host), "--pool", "prefork", "--concurrency", "1"]
    quiet = ["--loglevel", "WARNING", "--without-gossip", "--without-mingle"]
    environment = {**worker.environment, **_heartbeat(worker.name)}
    if settings.DEVICE == "cpu":
        environment |= {"CUDA_VISIBLE_DEVICES": ""}  # TensorFlow would take the card
    if worker.queue == STAGES[Stage.INTERPOLATE].queue:
        visible = environment.get("CUDA_VISIBLE_DEVICES")
        environment |= cuda_for_tensorflow(visible)
        if not gpus.count() and film_library(settings.FILM, gpus.capability(visible)) is Library.TENSORFLOW:
            environment |= {"AURAVIDEO_DEVICE": "cpu"}  # TensorFlow uses NVIDIA's cards only
    if operating_system.is_macos():  # it would end a child that was forked while a thread used its Objective-C runtime
        environment |= {"OBJC_DISABLE_INITIALIZE_FORK_SAFETY": "YES"}
    command = [*_CELERY, "worker", *options, *quiet]
    process = Process(worker.name, command, environment=environment, niceness=WORKER_NICENESS)
    process.answers = Answers(answers.of_worker(lambda: process.popen.pid if process.popen is not None else None))
    return process


def _heartbeat(name: str) -> dict[str, str]:
    """Return the variable that gives each process a heartbeat file of its own, if there are any."""
    return {"AURAVIDEO_HEARTBEAT_FILE": f"{settings.HEARTBEAT_FILE}.{name}"} if settings.HEARTBEAT_FILE else {}


def cuda_for_tensorflow(visible: str | None = None) -> dict[str, str]:
    """Return the library path where TensorFlow finds CUDA 12 (requirements-gpu.txt).

    Empty if CUDA 12 is not installed, or if torch runs FILM: it brings its own CUDA, which this one would replace.

    Args:
        visible: the card of the worker, as CUDA_VISIBLE_DEVICES spells it; None for that of this process.
    """
    visible = os.environ.get("CUDA_VISIBLE_DEVICES") if visible is None else visible
    if film_library(settings.FILM, gpus.capability(visible)) is Library.TORCH:
        return {}
    folders = sorted(Path(sys.prefix).glob("cuda12/nvidia/*/lib"))
    paths = [*map(str, folders), *filter(None, [os.environ.get("LD_LIBRARY_PATH")])]
    return {"LD_LIBRARY_PATH": ":".join(paths)} if folders else {}
