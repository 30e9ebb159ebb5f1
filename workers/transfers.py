"""Transfers that overlap: the next chunk is read while this one is used, and files that are ready are stored together.

The threads call the storage only, neither the database nor the job. A transfer that fails because the storage does not
work is repeated on the stage's own thread by `again`, which may wait. Any other error is raised there.
"""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import TypeVar

from auravideo.core.storage import StorageUnavailable

TOGETHER = 3  # transfers at a time; each may hold a copy of its chunk
T = TypeVar("T")
R = TypeVar("R")
Again = Callable[[Callable[[], R]], R]  # calls a transfer until it succeeds or there is a reason to stop


def ahead(fetch: Callable[[T], R], items: Iterable[T], again: Again[R]) -> Iterator[R]:
    """Yield `fetch(item)` for each item in order, fetching one item ahead: two results are in memory, never more."""
    pool = ThreadPoolExecutor(1, thread_name_prefix="ahead")
    previous: tuple[Callable[[], R], Future[R]] | None = None
    try:
        for move in (partial(fetch, item) for item in items):
            current = move, pool.submit(move)
            if previous is not None:
                yield _result(*previous, again)
            previous = current
        if previous is not None:
            yield _result(*previous, again)
    finally:  # a stage that stops does not wait for what it no longer needs
        pool.shutdown(wait=False, cancel_futures=True)


def together(moves: Iterable[Callable[[], R]], again: Again[R]) -> list[R]:
    """Return the results of all `moves`, a few of which run at a time. Waits for all of them, also if one fails."""
    with ThreadPoolExecutor(TOGETHER, thread_name_prefix="transfer") as pool:
        futures = [(move, pool.submit(move)) for move in moves]
    return [_result(move, future, again) for move, future in futures]


def once(move: Callable[[], R]) -> R:
    """Repeat a transfer without waiting."""
    return move()


def _result(move: Callable[[], R], future: "Future[R]", again: Again[R]) -> R:
    try:
        return future.result()
    except StorageUnavailable:
        return again(move)
