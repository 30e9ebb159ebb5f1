"""Batch sizes by measurement: whether larger batches pay depends on the machine, the network and the size of a frame.

On a processor, a batch whose features no longer fit the caches takes longer than its frames one by one; on a graphics
card, single small frames leave most of it idle. Neither has a rule that holds everywhere, so the first frames of each
size are computed in batches of 1, 2, 4 ... as long as that pays. Nothing is computed for the measurement alone.
"""

import logging
import time
from collections.abc import Callable, Hashable
from typing import TypeVar

logger = logging.getLogger(__name__)

T = TypeVar("T")

RUNS = 2  # of each size; the faster one counts, since the first also sets up kernels
GAIN = 0.95  # a larger batch must take at most this share of the time per frame; less is noise


class BatchSizes:
    """The seconds per frame of each batch size tried, by a key that names device, network and size of frame."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._seconds: dict[Hashable, dict[int, list[float]]] = {}

    def choose(self, key: Hashable, most: int) -> int:
        """Return how many frames to compute next, at most `most`: the fastest size known, or one still to be tried."""
        known = self._seconds.setdefault(key, {})
        best = size = 1
        while size <= most:
            runs = known.get(size, [])
            if len(runs) < RUNS:
                return size
            if size > 1:
                if min(runs) > GAIN * min(known[best]):
                    break
                best = size
            size *= 2
        return best

    def measured(self, key: Hashable, frames: int, work: Callable[[], T]) -> T:
        """Return what `work` returns, which computes a batch of `frames`; note how long it took, unless it raises."""
        started = self._clock()
        result = work()
        runs = self._seconds.setdefault(key, {}).setdefault(frames, [])
        if len(runs) < RUNS:
            runs.append((self._clock() - started) / frames)
            if len(runs) == RUNS:
                logger.debug("%s: %.1f ms a frame in batches of %d", key, 1000 * min(runs), frames)
        return result


# Of this process: an engine that is loaded again need not measure again.
batch_sizes = BatchSizes()
