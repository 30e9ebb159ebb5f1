"""Processes that are killed, stopped for a while, restarted, or there twice."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress

from generation.domain.states import Stage
from tests.chaos.plan import HUNG, WORKER_LOST, Kind, Planned
from tests.chaos.world import NotNow, World

LOST_SECONDS = 12  # longer than a claim lives without a heartbeat


def child(world: World, stage: Stage) -> int:
    """Return the process that runs a stage."""
    running = world.running(stage)
    if running is None:
        raise NotNow
    return running[1]


def kill_child(world: World, planned: Planned) -> None:
    os.kill(child(world, planned.stage), signal.SIGKILL)


def kill_worker(world: World, planned: Planned) -> None:
    child(world, planned.stage)
    member = world.member_of(planned.stage)
    with member.lock:
        member.kill()


def kill_parent(world: World, planned: Planned) -> None:
    """The child lives on for a moment: whoever finishes, finishes once."""
    child(world, planned.stage)
    world.member_of(planned.stage).popen.kill()


@contextmanager
def _stopped(*pids: int) -> Iterator[None]:
    _send(pids, signal.SIGSTOP)
    try:
        yield
    finally:
        _send(pids, signal.SIGCONT)


def _send(pids: Iterable[int], number: int) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def stop_child(world: World, planned: Planned) -> object:
    """Longer than its claim lives, so another takes over before it goes on."""
    return _stopped(child(world, planned.stage))


def stop_parent(world: World, planned: Planned) -> object:
    return _stopped(world.member_of(planned.stage).popen.pid)


def stop_worker(world: World, planned: Planned) -> object:
    return _stopped(child(world, planned.stage), world.member_of(planned.stage).popen.pid)


def _some_process(world: World, *words: str) -> list[int]:
    found = world.processes_of(*words)
    if not found:
        raise NotNow
    return found


def kill_web(world: World, _planned: Planned) -> None:
    _send(_some_process(world, "daphne"), signal.SIGKILL)


def freeze_web(world: World, _planned: Planned) -> None:
    """It never goes on; `serve` has to notice."""
    frozen = _some_process(world, "daphne")
    _send(frozen, signal.SIGSTOP)
    world.until(lambda: not set(frozen) & set(world.processes_of("daphne")), "a web server stands still forever")


def freeze_scheduler(world: World, _planned: Planned) -> None:
    """It never goes on. Without one, nobody finds clips whose messages were lost."""
    _send(_some_process(world, "manage.py", "scheduler"), signal.SIGSTOP)


def kill_scheduler(world: World, _planned: Planned) -> None:
    _send(_some_process(world, "manage.py", "scheduler"), signal.SIGKILL)


def stop_scheduler(world: World, _planned: Planned) -> object:
    return _stopped(*_some_process(world, "manage.py", "scheduler"))


def kill_redis(world: World, _planned: Planned) -> None:
    _send(
        _some_process(world, "redis-server"), signal.SIGKILL
    )  # it cannot be asked for its ID: it may be standing still


def stop_redis(world: World, _planned: Planned) -> object:
    return _stopped(*_some_process(world, "redis-server"))


@contextmanager
def second_scheduler(world: World, _planned: Planned) -> Iterator[None]:
    command = [sys.executable, "manage.py", "scheduler"]
    with world.log("second-scheduler").open("ab") as log:
        other = subprocess.Popen(command, cwd=world.site.root, env=world.site.environment, stdout=log, stderr=log)
    try:
        yield
    finally:
        other.terminate()
        other.wait(30)


def warm_shutdown(world: World, planned: Planned) -> object:
    child(world, planned.stage)
    return world.member_of(planned.stage).away(signal.SIGTERM)


def cold_shutdown(world: World, planned: Planned) -> object:
    child(world, planned.stage)
    return world.member_of(planned.stage).away(signal.SIGQUIT)


def restart_site(world: World, _planned: Planned) -> None:
    """Pages, scheduler and, where it is its own, Redis."""
    if not world.is_ready():
        raise NotNow
    assert world.site.stop(signal.SIGTERM) == 0
    world.site.log.unlink()
    world.site.start()


def kill_site(world: World, _planned: Planned) -> None:
    """A killed `serve` takes its processes with it."""
    world.site.process.kill()
    world.site.process.wait()
    world.until(lambda: not world.processes_of("serve"), "it lives on")
    world.site.log.unlink()
    world.site.start()


KINDS = (
    Kind("a worker's process is killed", kill_child, costs=(WORKER_LOST,)),
    Kind("a whole worker is killed", kill_worker, costs=(WORKER_LOST,)),
    Kind("the parent of a worker is killed", kill_parent, costs=(WORKER_LOST,)),
    Kind("a worker's process stands still and goes on", stop_child, costs=(WORKER_LOST, HUNG), at_least=LOST_SECONDS),
    Kind("a worker stands still and goes on", stop_worker, costs=(WORKER_LOST, HUNG), at_least=LOST_SECONDS),
    Kind("the parent of a worker stands still and goes on", stop_parent, lasts=True, at_least=LOST_SECONDS),
    Kind("a worker is stopped (warm)", warm_shutdown),
    Kind("a worker is stopped (cold)", cold_shutdown, costs=(WORKER_LOST,)),
    Kind("the web server is killed", kill_web),
    Kind("the web server stands still forever", freeze_web),
    Kind("the scheduler is killed", kill_scheduler),
    Kind("the scheduler stands still forever", freeze_scheduler),
    Kind("the scheduler stands still and goes on", stop_scheduler, lasts=True),
    Kind("two schedulers", second_scheduler, lasts=True),
    Kind("Redis is killed", kill_redis, needs="local redis"),
    Kind("Redis stands still and goes on", stop_redis, needs="local redis", lasts=True),
    Kind("the site is restarted", restart_site),
    Kind("the site is killed", kill_site),
)
