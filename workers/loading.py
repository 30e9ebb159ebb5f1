"""Loading a model, shown as a step of its own: it takes up to a minute, in which the stage itself does not advance."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from django.db import Error, close_old_connections

from generation.domain.states import Stage
from generation.models import StageRun
from generation.queue import claims, events, placement
from workers import membership

logger = logging.getLogger(__name__)

TELL_SECONDS = 1.0  # how often the page is told that time has passed


@contextmanager
def shown(held: StageRun) -> Iterator[None]:
    """Show on the job's page that the block loads the model of a stage, unless this process holds it already."""
    engine = placement.engine_of(Stage(held.stage), held.job.render_request)
    if engine in membership.warm_engines():
        yield
        return
    started = time.monotonic()
    _try(lambda: claims.begin_loading(held))
    with _told_regularly(held):
        yield
    membership.report()  # now rather than after the stage, so that no estimate counts the loading again
    _try(lambda: claims.end_loading(held, time.monotonic() - started))


@contextmanager
def _told_regularly(held: StageRun) -> Iterator[None]:
    end = threading.Event()

    def tell() -> None:
        while not end.wait(TELL_SECONDS):
            events.publish(held.job.user_id, held.job_id)

    thread = threading.Thread(target=tell, name="loading", daemon=True)
    thread.start()
    try:
        yield
    finally:
        end.set()
        thread.join()


def _try(note: Callable[[], None]) -> None:
    """Call `note`, which is only for the page: without the database, loading goes on."""
    try:
        note()
    except Error as error:
        logger.warning("Could not show that a model is loaded: %s", error)
        close_old_connections()
