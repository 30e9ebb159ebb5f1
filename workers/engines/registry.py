"""A cache of warm engines: the least recently used one is released first if memory runs short.

There is one registry per worker process. It logs each load and release, with durations, sizes and reasons.
"""

import logging
import sys
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar, cast

from auravideo.core.machine import operating_system
from generation.domain.errors import RenderError
from workers.engines import devices
from workers.engines.base import Engine
from workers.engines.importing import uncollected

logger = logging.getLogger(__name__)

E = TypeVar("E", bound=Engine)

# The share of memory that weights may take; the rest is for activations.
CARD_SHARE = 0.7
HOST_SHARE = 0.5


def default_budget() -> int:
    """Return the byte budget for the weights of all warm engines: a share of GPU memory, or of main memory.

    torch is asked only if already imported: the TensorFlow worker uses this registry too, and its process must never
    import torch.
    """
    device = devices.choose() if "torch" in sys.modules else devices.CPU
    if devices.is_card(device):
        return int(CARD_SHARE * devices.total(device))
    return int(HOST_SHARE * operating_system.total_memory())


@dataclass(frozen=True)
class Change(Generic[E]):
    """How to turn the engine of another key into the wanted one, if that is cheaper than loading it.

    `suits` returns whether the engine of a key can be changed; `apply` changes it, or raises a `RenderError` and leaves
    it as it was. After any other error, nobody knows what it is, and it is released.
    """

    suits: Callable[[Hashable], bool]
    apply: Callable[[E], None]


class Registry:
    """Warm engines by key, least recently used first.

    Args:
        budget_bytes: limit for all weights together; None calls `default_budget` at every load. A single engine over
            the budget is still kept, alone.
    """

    def __init__(self, budget_bytes: int | None = None) -> None:
        self._budget_bytes = budget_bytes
        self._engines: OrderedDict[Hashable, Engine] = OrderedDict()
        self._lock = threading.RLock()

    def get(
        self,
        key: Hashable,
        factory: Callable[[], E],
        change: Change[E] | None = None,
        size: Callable[[], int] = lambda: 0,
    ) -> E:
        """Return the warm engine for `key`, one that `change` turns into it, or load a new one from `factory`.

        Args:
            size: returns how many bytes of main memory loading it takes. If there are fewer, others go before, not
                after: for a moment, both would be there, and the kernel would end this process.

        Raises:
            RenderError: what `Engine.load` or `change` raises. If that runs out of memory, release all other engines
                and load once more.
        """
        with self._lock:
            if key in self._engines:
                self._engines.move_to_end(key)
                logger.debug("Engine %s is warm", key)
                return cast(E, self._engines[key])  # the type that this key's factory returns
            engine = self._changed(key, change) if change else None
            if engine is None:
                self._make_room_to_load(key, size)
                engine = self._load(key, factory)
            self._engines[key] = engine
            self._make_room(keep=key)
            return engine

    def _changed(self, key: Hashable, change: Change[E]) -> E | None:
        """Return a warm engine that was turned into the one for `key`, no longer under its old key; None if none can.

        One that cannot be changed stays as it is, under its old key.
        """
        old = next((other for other in reversed(self._engines) if change.suits(other)), None)
        if old is None:
            return None
        started = time.monotonic()
        engine = cast(E, self._engines[old])  # as `suits` promises
        try:
            change.apply(engine)
        except RenderError as error:
            if error.id != "out-of-memory":
                raise
            self.release(old, f"no memory to turn it into {key}")
            return None
        except BaseException:
            self.release(old, f"turning it into {key} broke off, maybe half-way")
            raise
        del self._engines[old]
        logger.info("Turned engine %s into %s in %.1f s", old, key, time.monotonic() - started)
        return engine

    def release(self, key: Hashable, why: str = "asked to") -> None:
        """Release the engine for `key`, if present."""
        with self._lock:
            engine = self._engines.pop(key, None)
            if engine is not None:
                freed = engine.memory_bytes
                engine.release()
                logger.info("Released engine %s (%s), because: %s", key, _size(freed), why)

    def release_all(self, why: str = "asked to") -> None:
        """Release all engines."""
        with self._lock:
            for key in list(self._engines):
                self.release(key, why)

    def park_all(self) -> None:
        """Let all engines give the card back."""
        with self._lock:
            for engine in self._engines.values():
                engine.park()

    def release_others(self, engine: Engine, why: str) -> bool:
        """Release all engines but one. Return whether there were any."""
        with self._lock:
            others = [key for key, held in self._engines.items() if held is not engine]
            for key in others:
                self.release(key, why)
            return bool(others)

    def notes(self) -> list[dict[str, str]]:
        """Return what the warm engines say about how they run (see generation/domain/worker_notes.py)."""
        return [note for engine in list(self._engines.values()) for note in getattr(engine, "notes", ())]

    def labels_on_cpu(self) -> list[str]:
        """Return the labels of the warm engines that compute on the CPU, as far as they know."""
        there = [(engine, getattr(engine, "device", "")) for engine in list(self._engines.values())]
        return [str(getattr(engine, "label", "")) for engine, device in there if device == "cpu"]

    def keys(self) -> list[Hashable]:
        """Return the keys of the warm engines, least recently used first."""
        return list(self._engines)

    @property
    def used_bytes(self) -> int:
        """Return the size of all warm engines' weights in bytes."""
        return sum(engine.memory_bytes for engine in self._engines.values())

    def has_room(self, size: int) -> bool:
        """Return whether an engine of `size` bytes could be loaded without releasing another."""
        return not self._engines or self.used_bytes + size <= self._budget()

    def _budget(self) -> int:
        return default_budget() if self._budget_bytes is None else self._budget_bytes

    def _load(self, key: Hashable, factory: Callable[[], E]) -> E:
        started = time.monotonic()
        engine = factory()
        try:
            with uncollected():
                engine.load()
        except RenderError as error:
            if error.id != "out-of-memory" or not self._engines:
                raise
            logger.warning("No memory for engine %s beside %d others", key, len(self._engines))
            engine.release()
            self.release_all(f"no memory for {key}")
            engine = factory()
            engine.load()
        seconds = time.monotonic() - started
        logger.info("Loaded engine %s (%s) in %.1f s, because: not warm", key, _size(engine.memory_bytes), seconds)
        return engine

    def _make_room_to_load(self, key: Hashable, size: Callable[[], int]) -> None:
        wanted = size() if self._engines else 0
        while self._engines and operating_system.main_memory()[1] < wanted:
            self.release(next(iter(self._engines)), f"{key} needs {_size(wanted)} of main memory, least recently used")

    def _make_room(self, keep: Hashable) -> None:
        budget = self._budget()
        for key in list(self._engines):
            if self.used_bytes <= budget:
                return
            if key != keep:
                self.release(key, f"{_size(self.used_bytes)} in use, {_size(budget)} allowed, least recently used")
        if self.used_bytes > budget:
            logger.warning("Engine %s alone (%s) is over the budget of %s", keep, _size(self.used_bytes), _size(budget))


def _size(count: int) -> str:
    return f"{count / 2**30:.1f} GiB" if count >= 2**30 else f"{count / 2**20:.1f} MiB"


_default = Registry()


def configure(budget_bytes: int | None) -> None:
    """Set the budget of this process's registry; None means `default_budget`."""
    _default._budget_bytes = budget_bytes


def get(
    key: Hashable, factory: Callable[[], E], change: Change[E] | None = None, size: Callable[[], int] = lambda: 0
) -> E:
    """Call `Registry.get` on this process's registry."""
    return _default.get(key, factory, change, size)


def warm() -> list[Hashable]:
    """Call `Registry.keys` on this process's registry."""
    return _default.keys()


def notes() -> list[dict[str, str]]:
    """Call `Registry.notes` on this process's registry."""
    return _default.notes()


def labels_on_cpu() -> list[str]:
    """Call `Registry.labels_on_cpu` on this process's registry."""
    return _default.labels_on_cpu()


def has_room(size: int) -> bool:
    """Call `Registry.has_room` on this process's registry."""
    return _default.has_room(size)


def park_all() -> None:
    """Call `Registry.park_all` on this process's registry."""
    _default.park_all()


def release(key: Hashable, why: str = "asked to") -> None:
    """Call `Registry.release` on this process's registry."""
    _default.release(key, why)


def release_others(engine: Engine, why: str) -> bool:
    """Call `Registry.release_others` on this process's registry."""
    return _default.release_others(engine, why)


def release_all(why: str = "asked to") -> None:
    """Call `Registry.release_all` on this process's registry."""
    _default.release_all(why)
