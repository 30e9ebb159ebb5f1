"""Transfers overlap with work and with each other, in order, in bounded memory, and their errors reach the stage."""

import threading
import time
from functools import partial

import pytest

from auravideo.core.storage import StorageUnavailable
from workers import transfers


class Transfer:
    """A transfer that takes `seconds`, and counts how many run at a time and how many results are alive."""

    def __init__(self, seconds: float = 0.05) -> None:
        self.seconds = seconds
        self.lock = threading.Lock()
        self.running = self.most = 0
        self.started: list[int] = []
        self.fails: dict[int, list[Exception]] = {}

    def __call__(self, number: int) -> int:
        with self.lock:
            self.running += 1
            self.most = max(self.most, self.running)
            self.started.append(number)
        time.sleep(self.seconds)
        with self.lock:
            self.running -= 1
        if self.fails.get(number):
            raise self.fails[number].pop(0)
        return number * 10


def wait_until(holds, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "this never happened"
        time.sleep(0.01)


def test_the_next_one_is_fetched_while_this_one_is_used():
    fetch, used = Transfer(), []
    for number, result in enumerate(transfers.ahead(fetch, range(5), transfers.once)):
        wait_until(lambda number=number: len(fetch.started) >= min(number + 2, 5))
        used.append(result)
        assert len(fetch.started) <= number + 2, "more than one ahead"
    assert used == [0, 10, 20, 30, 40]


def test_nothing_to_fetch_yields_nothing():
    assert list(transfers.ahead(Transfer(), [], transfers.once)) == []


def test_whoever_stops_in_the_middle_does_not_wait_for_the_rest():
    fetch, released = Transfer(), threading.Event()

    def held(number: int) -> int:
        if number:
            released.wait(60)
        return fetch(number)

    results = transfers.ahead(held, range(9), transfers.once)
    assert next(results) == 0
    results.close()
    assert not released.is_set()
    released.set()
    time.sleep(0.3)
    assert len(fetch.started) <= 2


def test_some_run_together_and_results_keep_their_order():
    move, meet = Transfer(), threading.Barrier(transfers.TOGETHER)

    def met(number: int) -> int:
        meet.wait(60)  # one after the other, nobody would come
        return move(number)

    assert transfers.together([partial(met, number) for number in range(6)], transfers.once) == [0, 10, 20, 30, 40, 50]
    assert move.most <= transfers.TOGETHER


@pytest.mark.parametrize("how", ["ahead", "together"])
def test_an_error_is_raised_where_the_stage_sees_it(how):
    move = Transfer()
    move.fails[1] = [ValueError("broken")]
    with pytest.raises(ValueError, match="broken"):
        run(how, move, transfers.once)


@pytest.mark.parametrize("how", ["ahead", "together"])
def test_a_storage_that_does_not_work_is_asked_again_on_the_stages_own_thread(how):
    move, threads = Transfer(), []
    move.fails[1] = [StorageUnavailable("away"), StorageUnavailable("away")]

    def again(repeat):
        threads.append(threading.current_thread())
        with pytest.raises(StorageUnavailable):
            repeat()
        return repeat()

    assert run(how, move, again) == [0, 10, 20]
    assert threads == [threading.main_thread()]


def run(how, move, again):
    if how == "ahead":
        return list(transfers.ahead(move, range(3), again))
    return transfers.together([partial(move, number) for number in range(3)], again)
