"""What happens inside a worker: no memory, a hang, a crash between two statements (tests/rigs/trouble.py)."""

from collections.abc import Callable

from generation.domain.states import Stage
from tests.chaos.faults.people import DELETE
from tests.chaos.plan import HUNG, WORKER_LOST, Kind, Planned
from tests.chaos.world import WORKER_MEGABYTES, NotNow, World

TAKEN_SECONDS = 25
ENGINES = (Stage.GENERATE, Stage.INTERPOLATE, Stage.UPSCALE)
PURGE_STATEMENTS = 25
STATEMENTS = 60  # more than `finish` runs in our own code


def _ordered(kind: str, argument: Callable[[Planned], str] = lambda _planned: "") -> Callable[[World, Planned], None]:
    def act(world: World, planned: Planned) -> None:
        _order(world, planned.stage, kind, argument(planned))

    return act


def _order(world: World, place: str, kind: str, argument: str = "") -> None:
    """Order a trouble, and return once a worker has met it."""
    world.trouble.order(place, kind, argument)
    try:
        world.until(lambda: world.trouble.taken(place), f"nobody met {kind} at {place}", TAKEN_SECONDS)
    except AssertionError as error:
        raise NotNow from error
    finally:
        world.trouble.forget()


def crash_in_purge(world: World, planned: Planned) -> None:
    """The next purge goes on."""
    job = world.take_finished()
    world.trouble.order("purge", "crash", str(planned.number % PURGE_STATEMENTS))
    try:
        world.ask(DELETE.format(job=job))
        world.until(lambda: world.trouble.taken("purge"), "nobody purged", TAKEN_SECONDS)
    except NotNow:
        world.give_back()
        raise
    except AssertionError as error:
        raise NotNow from error
    finally:
        world.trouble.forget()


def crash_in_finish(world: World, planned: Planned) -> None:
    _order(world, "finish", "crash", str(planned.number % STATEMENTS))


KINDS = (
    Kind("a stage sleeps forever", _ordered("sleep"), costs=(HUNG,)),
    Kind("a stage hangs in C and holds the interpreter", _ordered("hang"), costs=(HUNG,)),
    Kind(
        "an engine runs out of memory in every mode",
        _ordered("oom", lambda _planned: "99"),
        stages=ENGINES,
        costs=("machine-out-of-memory",),  # there is no card
    ),
    Kind(
        "the kernel ends a stage for want of memory",
        _ordered("bomb", lambda _planned: str(2 * WORKER_MEGABYTES)),
        # If its parent stands still just then, nobody learns of what.
        costs=("machine-out-of-memory", WORKER_LOST),
        needs="cgroups",
    ),
    Kind("an engine runs out of memory once", _ordered("oom"), stages=ENGINES),
    Kind("a stage kills itself in the midst", _ordered("die"), costs=(WORKER_LOST,)),
    Kind(
        "a stage stands still in the midst",
        _ordered("stop", lambda planned: f"{planned.seconds:.0f}"),
        costs=(WORKER_LOST, HUNG),
    ),
    Kind("a bug in a stage", _ordered("bug"), fails=("internal",)),
    Kind("a crash between two statements of the end of a stage", crash_in_finish, costs=(WORKER_LOST,)),
    Kind(
        "a crash between two statements of the purge", crash_in_purge, costs=(WORKER_LOST,), stages=(Stage.PREPROCESS,)
    ),
)
