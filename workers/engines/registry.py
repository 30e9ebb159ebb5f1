"""Keeps engines warm between jobs: the least recently used one goes first when memory runs short.

A worker process has one registry. What was loaded, how long it took, what had to go and why is in its log.
"""

import logging
import os
import sys
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import TypeVar, cast

from generation.domain.errors import RenderError
from workers.engines.base import Engine

logger = logging.getLogger(__name__)

E = TypeVar("E", bound=Engine)

# Weights may take this share of the memory; the rest is for what the networks compute.
CUDA_SHARE = 0.7
HOST_SHARE = 0.5


def default_budget() -> int:
    """Bytes that the weights of warm engines may take together: a share of the card's memory, or of the machine's.

    Asks torch only when it has been imported already: the same registry serves the TensorFlow worker, whose process
    must never import it.
    """
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        return int(CUDA_SHARE * torch.cuda.get_device_properties(0).total_memory)
    return int(HOST_SHARE * os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))


class Registry:
    """Warm engines by key, least recently used first.

    Args:
        budget_bytes: what the weights may take together; None asks `default_budget` at every load. A single engine
            larger than the budget is still kept, alone.
    """

    def __init__(self, budget_bytes: int | None = None) -> None:
        self._budget_bytes = budget_bytes
        self._engines: OrderedDict[Hashable, Engine] = OrderedDict()
        self._lock = threading.RLock()

    def get(self, key: Hashable, factory: Callable[[], E]) -> E:
        """The warm engine for `key`, or a new one from `factory`, loaded.

        Raises:
            RenderError: what `Engine.load` raises. When memory runs out while loading, the other engines are given up
                and the loading is tried once more.
        """
        with self._lock:
            if key in self._engines:
                self._engines.move_to_end(key)
                logger.debug("Engine %s is warm", key)
                return cast(E, self._engines[key])  # of the kind that this key's factory made
            engine = self._load(key, factory)
            self._engines[key] = engine
            self._make_room(keep=key)
            return engine

    def release(self, key: Hashable, why: str = "asked to") -> None:
        """Gives up the engine for `key`, if it is here."""
        with self._lock:
            engine = self._engines.pop(key, None)
            if engine is not None:
                freed = engine.memory_bytes
                engine.release()
                logger.info("Released engine %s (%s), because: %s", key, _size(freed), why)

    def release_all(self, why: str = "asked to") -> None:
        """Gives up every engine."""
        with self._lock:
            for key in list(self._engines):
                self.release(key, why)

    def keys(self) -> list[Hashable]:
        """The keys of the warm engines, least recently used first."""
        return list(self._engines)

    @property
    def used_bytes(self) -> int:
        """What the weights of the warm engines take together."""
        return sum(engine.memory_bytes for engine in self._engines.values())

    def _load(self, key: Hashable, factory: Callable[[], E]) -> E:
        started = time.monotonic()
        engine = factory()
        try:
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

    def _make_room(self, keep: Hashable) -> None:
        budget = default_budget() if self._budget_bytes is None else self._budget_bytes
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
    """Sets the budget of this process's registry; None is `default_budget`."""
    _default._budget_bytes = budget_bytes


def get(key: Hashable, factory: Callable[[], E]) -> E:
    """`Registry.get` of this process's registry."""
    return _default.get(key, factory)


def release_all(why: str = "asked to") -> None:
    """`Registry.release_all` of this process's registry."""
    _default.release_all(why)
