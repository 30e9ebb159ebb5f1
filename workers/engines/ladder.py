"""The ladder of memory modes: descended when memory runs out, climbed again when there may be room.

The rung that a model needed for a size is remembered, so that the next clip of that size starts there instead of
failing first. What made it short may have been another program, so the rung above is tried again: at once if the card
has more room than when it failed, otherwise after some clips, and after ever more if it fails each time.
"""

import logging
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from auravideo.core.metrics.declared import OUT_OF_MEMORY
from generation.domain.errors import RenderError
from workers.engines.device_errors import first_line, is_out_of_memory
from workers.engines.memory import LADDER, Rung, free_memory

logger = logging.getLogger(__name__)

T = TypeVar("T")

PATIENCE, MOST_PATIENCE = 4, 64  # clips on a rung before the one above is tried again
MORE_ROOM = 256 * 2**20  # bytes: what frees less, such as a closed browser tab, is not worth a failed attempt


@dataclass
class Fit:
    """The rung that fitted, and what decides when the one above is tried again.

    `room` is what this process could have had of the card when that one failed, in bytes; None if unknown.
    """

    rung: int = 0
    room: int | None = None
    clips: int = 0  # made on this rung since
    patience: int = PATIENCE

    def start(self, room: int | None) -> int:
        """Return the rung to start at, given the room there is now."""
        has_more = room is not None and self.room is not None and room >= self.room + MORE_ROOM
        return max(0, self.rung - 1) if has_more or self.clips >= self.patience else self.rung

    def keep(self, began: int, rung: int, room: int | None) -> None:
        """Note that a clip that began on one rung was made on another. `room`: when the last rung above failed."""
        if room is not None or rung > began:
            again = self.rung > began  # it was tried again in vain
            self.patience = min(MOST_PATIENCE, 2 * self.patience) if again else PATIENCE
            self.room, self.clips = room, 0
        elif rung < self.rung:
            self.clips, self.patience = 0, PATIENCE
        else:
            self.clips += 1
        self.rung = rung


@dataclass
class Ladder:
    """Remembers, per process, the rung that worked for each subject and size (width x height x frames)."""

    fitted: dict[tuple[Hashable, int], Fit] = field(default_factory=dict)

    def start(self, subject: Hashable, volume: int, room: int | None = None) -> int:
        """Return the first rung to try: by what fitted, or a clip no larger needed; otherwise the top."""
        return self._known(subject, volume).start(room)

    def run(
        self,
        attempt: Callable[[Rung], T],
        *,
        model: str,
        width: int,
        height: int,
        frames: int,
        rungs: Sequence[Rung] = LADDER,
        subject: Hashable = None,
        first: int = 0,
        room: Callable[[], int | None] = lambda: None,
        least: Callable[[Rung], int] = lambda _rung: 0,
        release: Callable[[], bool] = lambda: False,
        between: Callable[[], None] = free_memory,
    ) -> T:
        """Call `attempt(rung)` on successive rungs from `start` (at least `first`) until one fits in memory.

        Args:
            model: the name for the log and the error.
            rungs: the modes, from the fastest to the most economical; always the same ones for a subject.
            subject: everything but the size that decides what fits: the weights, their precision, the card. By default
                `model`.
            room: returns the bytes of the card that this process may fill; None if unknown.
            least: returns the bytes that a rung needs. What needs more than the room is skipped.
            release: frees what else this process holds. Returns whether there was anything, which makes it worth
                trying the same rung again.
            between: called after each failure, once the traceback and the objects it held are gone.

        Raises:
            RenderError: "out-of-memory" if the last rung failed too. All other exceptions propagate.
        """
        key = (model if subject is None else subject, width * height * frames)
        there = room()
        fit = replace(self._known(*key))
        index = began = self._first_worth_trying(rungs, max(first, fit.start(there)), there, least, model)
        short = there if began > max(first, fit.start(there)) else None
        while index < len(rungs):
            rung = rungs[index]
            try:
                result = attempt(rung)
            except Exception as error:
                if not is_out_of_memory(error):
                    raise
                failure = first_line(error)
            else:
                self._remember(key, fit, began, index, short)
                return result
            short = room()
            between()
            OUT_OF_MEMORY.labels(engine="text-to-video").inc()
            logger.warning(
                "%s: out of memory at %dx%d, %d frames, mode %s: %s", model, width, height, frames, rung.name, failure
            )
            if release():
                logger.warning("%s: other models were released, trying mode %s again", model, rung.name)
            else:
                index += 1
        raise RenderError("out-of-memory", model=model)

    def _known(self, subject: Hashable, volume: int) -> Fit:
        if (subject, volume) in self.fitted:
            return self.fitted[subject, volume]
        smaller = [fit for (name, size), fit in self.fitted.items() if name == subject and size <= volume]
        return max(smaller, key=lambda fit: fit.rung, default=Fit())

    def _remember(self, key: tuple[Hashable, int], fit: Fit, began: int, rung: int, room: int | None) -> None:
        fit.keep(began, rung, room)
        self.fitted[key] = fit
        for (name, size), smaller in self.fitted.items():
            if name == key[0] and size < key[1] and smaller.rung > rung:
                smaller.rung, smaller.clips = rung, 0

    @staticmethod
    def _first_worth_trying(
        rungs: Sequence[Rung], index: int, room: int | None, least: Callable[[Rung], int], model: str
    ) -> int:
        while room is not None and index < len(rungs) - 1 and least(rungs[index]) > room:
            logger.warning(
                "%s: mode %s needs at least %.1f GiB, and there are %.1f",
                *(model, rungs[index].name, least(rungs[index]) / 2**30, room / 2**30),
            )
            index += 1
        return index
