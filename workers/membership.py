"""A worker's membership in the roster: it reads the queues that fit its memory, reports itself, and can be drained.

The parent process registers the worker and beats; its children report the engines that they hold. Both are Celery's
own hooks: a signal after the queues are chosen, a bootstep with a timer, a remote-control command.
"""

import logging
import multiprocessing
import os
import socket
from dataclasses import dataclass, field
from typing import Any

from celery import bootsteps, current_task
from celery.signals import celeryd_after_setup
from celery.worker.control import control_command
from django.conf import settings
from django.db import Error, connection

from auravideo.celery import app
from auravideo.commands import DOCTOR
from auravideo.core.machine import operating_system
from auravideo.version import VERSION
from generation.domain.memory_classes import base_of, queues_within, with_classes
from generation.domain.states import Stage
from generation.models import Job
from generation.queue import placement, roster
from generation.queue.pausing import state
from workers import cards
from workers.engines import registry

logger = logging.getLogger(__name__)


class PassOn(Exception):
    """Another worker should run this unit; `queue` is where it goes. It uses up no attempt."""

    def __init__(self, queue: str) -> None:
        self.queue = queue
        super().__init__(queue)


@dataclass
class Membership:
    """This worker, as its parent and children know it; children inherit it when they are forked.

    `drains` is memory that they share: the parent sets it, and a child that is handed one more unit passes it on. So is
    `holds`: a child says in it whether it holds engines, or a part of a card that only its end gives back.
    """

    name: str
    serves: tuple[str, ...]  # queues of stages
    reads: tuple[str, ...]  # with the memory classes that fit
    memory: int  # bytes
    drains: Any = field(default_factory=lambda: multiprocessing.Value("b", 0, lock=False))
    reported: tuple[list[str], list[dict[str, str]]] | None = None
    holds: Any = field(default_factory=lambda: multiprocessing.Value("b", 0, lock=False))
    is_paused: bool = False  # whether rendering is, as the parent read it at its last heartbeat

    def facts(self) -> dict[str, Any]:
        found = cards.device()
        return {
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "queues": list(self.serves),
            "device": found.name,
            "version": VERSION,
            "boot": boot(),
            "memory_total": found.total,
            "memory_free": found.free,
        }


me: Membership | None = None


def worker_name() -> str:
    """Return how this process signs its claims: the worker's name in the roster, and the process."""
    return f"{me.name if me else socket.gethostname()}:{os.getpid()}"


def consider(stage: Stage, job: Job) -> None:
    """Raise PassOn if another worker should run this stage: this one is drained, is too small, or would have to load a
    model that an idle one holds."""
    if me is None:
        return
    delivery = current_task.request.delivery_info if current_task else {}
    if me.drains.value:
        raise PassOn(
            (delivery or {}).get("routing_key") or placement.queue_of(stage, job.render_request, job.render_plan)
        )
    better = placement.better_queue(
        stage,
        job.render_request,
        job.render_plan,
        name=me.name,
        memory=me.memory,
        is_card=cards.is_card(),
        queues=me.reads,
        warm=warm_engines(),
        passes=current_task.request.retries if current_task else 0,
    )
    if better is not None:
        logger.info("Passing %s of job %s on to %s", stage, job.pk, better)
        raise PassOn(better)


def warm_engines() -> list[str]:
    """Return the engines that this process holds, named as in `placement.engine_of`, least recently used first."""
    return ["/".join(map(str, key[1:])) for key in registry.warm() if isinstance(key, tuple)]


def notes() -> list[dict[str, str]]:
    """Return how the engines of this process run, where that is not as usual (generation/domain/worker_notes.py)."""
    said = registry.notes()
    if not cards.is_card():
        return said
    mentioned = {note["model"] for note in said if note["id"] == "on-cpu"}
    unseen = [label for label in registry.labels_on_cpu() if label not in mentioned]
    return [*said, *({"id": "card-unseen", "model": label, "doctor": DOCTOR} for label in unseen)]


def report() -> None:
    """Tell the roster which engines this process holds, if that has changed. Never raises: it is only a hint."""
    found = warm_engines(), notes()
    if me is None:
        return
    me.holds.value = int(bool(found[0]) or cards.is_open())
    if found == me.reported:
        return
    try:
        roster.report_warm(me.name, *found)
    except Error as error:
        logger.warning("Could not report the warm models: %s", error)
    else:
        me.reported = found


def boot() -> str:
    """Return what names this machine until it is started again, the same in all of its containers; "" if unknown."""
    return operating_system.boot()


@celeryd_after_setup.connect
def _join(sender: str, instance: Any, **_kwargs: object) -> None:
    """Choose the queues that fit this worker's memory, and enter it in the roster."""
    global me
    queues = instance.app.amqp.queues
    serves = tuple(dict.fromkeys(base_of(name) for name in queues.consume_from))
    memory = cards.device().total
    reads = queues_within(serves, memory)
    for queue in serves:
        queues.deselect([name for name in with_classes(queue) if name not in reads])
    for name in reads:
        queues.select_add(queues[name])
    me = Membership(sender, serves, reads, memory)
    _enter(me)


def _enter(member: Membership) -> None:
    try:
        roster.register(member.name, **member.facts())
    except Error as error:
        logger.warning("Could not enter the roster; the next heartbeat tries again: %s", error)
    finally:
        connection.close()  # children are forked from this process and must not share its connection


class Heartbeat(bootsteps.StartStopStep):
    """Reports this worker every few seconds, and starts or stops reading its queues as the roster says."""

    requires = {"celery.worker.components:Timer"}

    def __init__(self, worker: Any, **options: Any) -> None:
        self.entry: Any = None
        super().__init__(worker, **options)

    def start(self, worker: Any) -> None:
        self.entry = worker.timer.call_repeatedly(settings.HEARTBEAT_SECONDS, beat, (worker.consumer,))

    def stop(self, worker: Any) -> None:
        if self.entry is not None:
            self.entry.cancel()
        if me is not None:
            try:
                roster.leave(me.name, os.getpid())
            except Error as error:
                logger.warning("Could not leave the roster: %s", error)
            finally:
                connection.close()


def beat(consumer: Any) -> None:
    """Report that this worker is alive, and do what the roster says about taking work."""
    if me is None:
        return
    try:
        takes = roster.beat(me.name, os.getpid(), memory_free=cards.device().free, takes_work=not me.drains.value)
        if takes is None:
            _enter(me)
        elif takes == bool(me.drains.value) and _obey(consumer, takes):
            roster.beat(me.name, os.getpid(), memory_free=cards.device().free, takes_work=takes)
        me.is_paused = state.is_on()
    except Error as error:
        logger.warning("Missed a heartbeat: %s", error)
    finally:
        connection.close()


def _obey(consumer: Any, takes_work: bool) -> bool:
    """Start or stop reading the queues. Return False while there is no connection to the broker."""
    if me is None or consumer is None or consumer.task_consumer is None:
        return False
    me.drains.value = 0 if takes_work else 1
    for queue in me.reads:
        (consumer.add_task_queue if takes_work else consumer.cancel_task_queue)(queue)
    logger.warning("%s", "Taking work again" if takes_work else "Draining: no new work")
    return True


@control_command()
def look_at_roster(state: Any) -> dict[str, str]:
    """Make a worker beat now, so that draining takes effect at once."""
    state.consumer.call_soon(beat, state.consumer)
    return {"ok": "looking"}


app.steps["worker"].add(Heartbeat)
