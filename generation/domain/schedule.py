"""When clips will be ready: a simulation of the workers, which take turns as generation/queue/turns.py does. Pure.

All times are seconds from now.
"""

from collections import Counter, deque
from collections.abc import Collection, Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import count
from typing import Any


@dataclass(frozen=True, slots=True)
class Unit:
    """A piece of work for one worker of a queue.

    `engine` is the model to load first, which takes `load` seconds; "" if a worker holds it, or there is none.
    """

    queue: str
    seconds: float
    engine: str = ""
    load: float = 0.0


Chain = tuple[Unit, ...]
"""Units that follow one another."""
Block = tuple[Chain, ...]
"""Chains that run in parallel; the next block begins when all have ended."""


@dataclass(frozen=True, slots=True)
class Clip:
    """What is left of a clip.

    Attributes:
        running: how many chains of the first block have a worker, which works on their first unit.
        waits: whether its first unit waits for its turn, rather than in the order of arrival.
    """

    key: Hashable
    user: int
    blocks: tuple[Block, ...]
    running: int = 0
    waits: bool = False


@dataclass(frozen=True, slots=True)
class Times:
    """When a clip begins to be generated, and when it is ready."""

    start: float
    ready: float


@dataclass
class _State:
    """Where one clip is in the simulation."""

    clip: Clip
    block: int = -1
    left: int = 0  # chains of the block that have not ended
    start: float = 0.0


@dataclass
class _Line:
    """Who waits, and who was served: turns.next_job in miniature."""

    served: dict[int, float]
    busy: Counter[int] = field(default_factory=Counter)
    waiting: dict[int, deque[_State]] = field(default_factory=dict)
    order: dict[int, int] = field(default_factory=dict)

    def enter(self, state: _State) -> None:
        user = state.clip.user
        self.waiting.setdefault(user, deque()).append(state)
        self.order.setdefault(user, len(self.order))

    def take(self, now: float) -> _State | None:
        if not self.waiting:
            return None
        user = min(self.waiting, key=lambda who: (self.busy[who], self.served.get(who, -1e12), self.order[who]))
        state = self.waiting[user].popleft()
        if not self.waiting[user]:
            del self.waiting[user]
        self.busy[user] += 1
        self.served[user] = now
        return state


@dataclass(slots=True)
class _Worker:
    """A worker, of one queue or of several, and when it is free."""

    queues: frozenset[str]
    free: float = 0.0


class _Simulation:
    def __init__(self, workers: Iterable[Collection[str]], served: Mapping[int, float]) -> None:
        self.workers = [_Worker(frozenset(queues)) for queues in workers]
        self.of_queue: dict[str, list[_Worker]] = {}
        self.line = _Line(dict(served))
        self.loaded: set[str] = set()
        self.found: dict[Hashable, Times] = {}
        self._events: list[tuple[float, bool, int, Any, tuple]] = []
        self._numbers = count()

    def run(self, clips: Iterable[Clip], turns: str) -> dict[Hashable, Times]:
        for clip in clips:
            state = _State(clip)
            if clip.waits:
                self.line.enter(state)
            else:
                self._next_block(0.0, state)
        for worker in list(self._servers(turns)):
            self._at(worker.free, self._serve, turns)
        while self._events:
            moment, _is_serving, _number, act, arguments = heappop(self._events)
            act(moment, *arguments)
        return self.found

    def _at(self, moment: float, act: Any, *arguments: Any) -> None:
        # Whoever is free at that moment goes on with a clip before beginning another, as workers of several queues do.
        heappush(self._events, (moment, act == self._serve, next(self._numbers), act, arguments))

    def _servers(self, queue: str) -> list[_Worker]:
        """Return the workers of a queue, those of few queues first; one at least."""
        if queue not in self.of_queue:
            found = sorted((worker for worker in self.workers if queue in worker.queues), key=lambda it: len(it.queues))
            self.of_queue[queue] = found or [_Worker(frozenset([queue]))]
        return self.of_queue[queue]

    def _first_free(self, queue: str) -> _Worker:
        return min(self._servers(queue), key=lambda worker: worker.free)

    def _take(self, now: float, unit: Unit) -> float:
        """Give a unit to the worker that is free first; return when it ends."""
        worker = self._first_free(unit.queue)
        seconds = unit.seconds
        if unit.engine and unit.engine not in self.loaded:
            self.loaded.add(unit.engine)
            seconds += unit.load
        worker.free = max(now, worker.free) + seconds
        return worker.free

    def _serve(self, now: float, turns: str) -> None:
        """Let a worker that is free generate the clip whose turn it is."""
        free = self._first_free(turns).free
        if free > now:  # it took something of its other queues
            self._at(free, self._serve, turns)
            return
        state = self.line.take(now)
        if state is None:
            return
        state.start, state.block, state.left = now, 0, 1
        (unit, *_rest) = state.clip.blocks[0][0]
        end = self._take(now, unit)
        self._at(end, self._generated, state)
        self._at(end, self._serve, turns)

    def _generated(self, now: float, state: _State) -> None:
        self.line.busy[state.clip.user] -= 1
        self._advance(now, state, state.clip.blocks[0][0], 1)

    def _next_block(self, now: float, state: _State) -> None:
        state.block += 1
        if state.block == len(state.clip.blocks):
            self.found[state.clip.key] = Times(state.start, now)
            return
        chains = state.clip.blocks[state.block]
        state.left = len(chains)
        for number, chain in enumerate(chains):
            if state.block == 0 and number < state.clip.running:
                self._begun(state, chain)
            else:
                self._at(now, self._advance, state, chain, 0)

    def _begun(self, state: _State, chain: Chain) -> None:
        """Note a unit that a worker is at. It came first, whoever was simulated before."""
        end = self._take(0.0, chain[0])
        self._at(end, self._advance, state, chain, 1)

    def _advance(self, now: float, state: _State, chain: Chain, place: int) -> None:
        if place < len(chain):
            end = self._take(now, chain[place])
            self._at(end, self._advance, state, chain, place + 1)
            return
        state.left -= 1
        if state.left <= 0:
            self._next_block(now, state)


def times(
    clips: Iterable[Clip],
    workers: Iterable[Collection[str]],
    turns: str,
    served: Mapping[int, float] | None = None,
) -> dict[Hashable, Times]:
    """Return when each clip starts and is ready.

    Args:
        clips: those that are rendered first, then those that wait, each user's own in their order.
        workers: the queues of each worker. One of several queues does one unit at a time, whichever queue it is of.
        turns: the queue in which clips take turns.
        served: when a clip of a user was started last, so not above 0; users who were never served come first.
    """
    return _Simulation(workers, served or {}).run(clips, turns)
