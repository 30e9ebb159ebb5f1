"""How long loading a model takes, learned for each engine and remembered over restarts.

The first load after a machine has started reads gigabytes from its disk. Later ones find them in memory and take a
third of the time, so the two are told apart.
"""

import time
from collections.abc import Collection
from dataclasses import dataclass
from functools import lru_cache

from django.db.models.functions import Now

from generation.domain.stages import STAGES
from generation.domain.states import Stage
from generation.models import LoadTime
from generation.queue import placement, roster
from generation.requests.request import RenderRequest

KEPT = 20  # loads of an engine and a kind that are remembered
RECENT = 8  # of these, those that count
# The quantile of their times. Nobody minds a wait that is shorter than announced.
_SLOWER = 0.75
# The share of a load from the disk that one from memory takes, until that was measured. High, because the first load
# that is seen may well have been from memory: with 0.75, `make plot-first-clip` said 33 % too little.
_FROM_MEMORY = 0.9
_FRESH_SECONDS = 10  # how long a process caches what was measured


@dataclass(frozen=True)
class Measured:
    """The last loads of an engine, newest first, in seconds, and the boots of machines that have read its files."""

    from_disk: tuple[float, ...]
    from_memory: tuple[float, ...]
    boots: frozenset[str]


def expected(stage: Stage, request: RenderRequest) -> float:
    """Return how long a worker here will take to load the model of a stage, in seconds; 0 if the stage has none."""
    there = roster.capacity().get(STAGES[stage].queue)
    return seconds(stage, placement.engine_of(stage, request), there.boots if there else ())


def seconds(stage: Stage, engine: str, boots: Collection[str]) -> float:
    """Return how long loading an engine will take on machines, which `boots` names, in seconds."""
    first = STAGES[stage].first_load
    if not first or not engine:
        return first
    known = _measured(engine, int(time.monotonic() // _FRESH_SECONDS))
    from_disk = _quantile(known.from_disk) if known.from_disk else first
    if boots and not known.boots.intersection(boots):
        return from_disk
    if known.from_memory:
        return _quantile(known.from_memory)
    return from_disk * _FROM_MEMORY if known.from_disk else first


def record(engine: str, took: float, boot: str) -> None:
    """Remember how many seconds a load took. `boot` names the machine, and the last time that it was started."""
    of_engine = LoadTime.objects.filter(engine=engine)
    from_disk = not of_engine.filter(boot=boot).exists()
    LoadTime.objects.create(engine=engine, seconds=took, boot=boot, from_disk=from_disk, loaded_at=Now())
    alike = of_engine.filter(from_disk=from_disk).order_by("-loaded_at", "-pk")
    of_engine.filter(pk__in=list(alike.values_list("pk", flat=True)[KEPT:])).delete()


@lru_cache(maxsize=64)
def _measured(engine: str, _tick: int) -> Measured:
    rows = LoadTime.objects.filter(engine=engine).order_by("-loaded_at", "-pk")
    found = list(rows.values_list("seconds", "from_disk", "boot"))
    return Measured(
        from_disk=tuple(took for took, from_disk, _boot in found if from_disk),
        from_memory=tuple(took for took, from_disk, _boot in found if not from_disk),
        boots=frozenset(boot for _took, _from_disk, boot in found),
    )


def _quantile(values: tuple[float, ...]) -> float:
    recent = sorted(values[:RECENT])
    return recent[int(len(recent) * _SLOWER)]
