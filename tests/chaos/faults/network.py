"""A network between one part of the site and one of its services: cut, silent, slow, or with damaged contents.

The part is the worker of the planned stage, or the pages.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from random import Random

from generation.domain.stages import STAGES
from tests.chaos.plan import Kind, Planned
from tests.chaos.services import SITE, ManyMachines, Wires

Cut = Callable[[Wires], AbstractContextManager[object]]


def _of_worker(cut: Cut) -> Callable[[ManyMachines, Planned], AbstractContextManager[object]]:
    return lambda world, planned: cut(world.wires[STAGES[planned.stage].queue])


def _of_pages(cut: Cut) -> Callable[[ManyMachines, Planned], AbstractContextManager[object]]:
    return lambda world, _planned: cut(world.wires[SITE])


@contextmanager
def _of_everybody(world: ManyMachines, cut: Cut) -> Iterator[None]:
    blocks = [cut(wires) for wires in world.wires.values()]
    for block in blocks:
        block.__enter__()
    try:
        yield
    finally:
        for block in blocks:
            block.__exit__(None, None, None)


def _broken(kind: str, **options: object) -> Cut:
    return lambda wires: wires.storage.broken(kind, **options)


def _wrong_clock(world: ManyMachines, planned: Planned) -> AbstractContextManager[object]:
    """Replace a worker by one whose clock is two minutes wrong; it stays."""
    import signal

    member = world.member_of(planned.stage)
    member.variables.update(world.skew(Random(planned.number).choice((-120, 120))))
    return member.away(signal.SIGTERM)


CUTS: dict[str, Cut] = {
    "database": lambda wires: wires.database.cut(),
    "broker": lambda wires: wires.broker.cut(),
    "storage": lambda wires: wires.storage.refusing(),
}
NAMES = {"database": "PostgreSQL", "broker": "Redis", "storage": "the store"}
STORE = {
    "answers 503": _broken("unavailable"),
    "does not answer": _broken("hang"),
    "closes connections": _broken("reset"),
    "breaks off in the middle": _broken("truncate", times=3),
    "falls silent in the middle": _broken("stall", times=3),
    "answers with a wrong byte": _broken("corrupt", method="GET", key=".safetensors", times=1),
    "is slow": _broken("slow", seconds=1.5),
}

KINDS = (
    *(
        Kind(f"a worker is cut off from {NAMES[name]}", _of_worker(cut), lasts=True, needs="wires")
        for name, cut in CUTS.items()
    ),
    *(
        Kind(f"the pages are cut off from {NAMES[name]}", _of_pages(cut), lasts=True, needs="wires")
        for name, cut in CUTS.items()
    ),
    *(
        Kind(
            f"{NAMES[name]} is away for everybody",
            lambda world, _planned, cut=cut: _of_everybody(world, cut),
            needs="wires",
        )
        for name, cut in CUTS.items()
    ),
    *(Kind(f"the store {how}", _of_worker(cut), lasts=True, needs="wires") for how, cut in STORE.items()),
    Kind(
        "a worker is silent to PostgreSQL and comes back",
        _of_worker(lambda wires: wires.database.silent()),
        lasts=True,
        needs="wires",
    ),
    Kind(
        "a worker is silent to Redis and comes back",
        _of_worker(lambda wires: wires.broker.silent()),
        lasts=True,
        needs="wires",
    ),
    Kind("PostgreSQL crashes and starts again", lambda world, _planned: world.crash_database(), needs="postgresql"),
    Kind("a worker's clock is two minutes wrong", _wrong_clock, needs="clocks"),
)
