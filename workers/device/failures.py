"""A card whose context is lost: nothing computes in this process any more, so it ends, and the clip goes back.

Another process may well compute: the driver cleans up after each. If the driver itself is ill, as after a suspend, all
processes fail; so that they do not use up the whole queue, each waits longer than the one before.
"""

import logging
import multiprocessing
import os
import threading
from collections.abc import Callable

from auravideo.core.liveness import progress
from auravideo.core.metrics import gpus
from generation.domain.states import Stage
from generation.models import StageRun
from generation.queue import claims, losses
from workers import cards, pace
from workers.engines.device_errors import Fault, fault_of, first_line

logger = logging.getLogger(__name__)

FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 1.0, 60.0
EXIT_CODE = 70  # EX_SOFTWARE: something inside is broken

# How often in a row children of this worker lost the card. They inherit the memory when they are forked.
_in_a_row = multiprocessing.Value("i", 0, lock=False)
_is_lost = False


def is_lost(error: BaseException) -> bool:
    """Return whether an error says that the card is lost for this process. If so, it ends after the task."""
    global _is_lost
    if fault_of(error) is not Fault.LOST:
        return False
    if not _is_lost:
        _is_lost = True
        _in_a_row.value += 1
    return True


def must_end() -> bool:
    """Return whether this process can no longer use its card."""
    return _is_lost


def worked() -> None:
    """Note that a stage was finished, so the card works."""
    _in_a_row.value = 0


def lose(held: StageRun, error: Exception) -> None:
    """Give back a stage whose card was lost. If that goes on, the clip fails with a text that says what to do."""
    logger.error("%s: the graphics card is lost: %s", held, first_line(error), exc_info=error)
    # What CUDA says then is only that the card is "busy or unavailable".
    is_taken = cards.compute_mode() == gpus.EXCLUSIVE and "busy or unavailable" in str(error)
    reason = losses.CARD_EXCLUSIVE if is_taken else losses.CARD_FAILED
    facts = {"card": cards.device().name, "driver": gpus.driver_version() or "?", "problem": first_line(error)}
    claims.lose(held.job_id, held.run, Stage(held.stage), held.chunk, reason, facts)


def tolerate(move: Callable[[], None]) -> None:
    """Call `move`, which gives memory back. That the card fails at it must not change how a stage ended."""
    try:
        move()
    except Exception as error:
        is_lost(error)
        logger.warning("Could not give memory back: %s", first_line(error))


def pause(stopping: threading.Event) -> None:
    """Wait before this process ends, if it must, twice as long as the one before; not if the worker is stopping."""
    if not _is_lost:
        return
    seconds = min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2 ** (min(_in_a_row.value, 10) - 1))
    progress.expect(max(pace.floor(), 2 * seconds))
    stopping.wait(seconds)


def end_process() -> None:
    """End this child of a worker; its parent forks another. At exit, torch would call the driver again."""
    logger.error("This process ends, because its graphics card is lost; the next one tries again")
    os._exit(EXIT_CODE)
