"""The checks of the campaign find what they are for."""

import pytest

from tests.chaos import checks
from tests.chaos.watcher import Watcher

JOB = "6f6a1d8a-6a8e-4a55-9c0e-3f1f6f0f2a11"


class Database:
    """A database that answers every question with the same rows."""

    def __init__(self, *rows: tuple) -> None:
        self.found = list(rows)

    def rows(self, _query: str, *_values: object) -> list[tuple]:
        return self.found

    def key(self, job: str) -> str:
        return job


def test_a_clip_that_was_done_and_is_not_any_more_is_found():
    timeline = checks.Timeline(Database())
    for status in ("queued", "running", "done"):
        timeline.look({JOB: status})
    assert timeline.wrong == []
    timeline.look({JOB: "running"})
    assert timeline.wrong == [f"{JOB} had ended as done and is running"]


def test_a_failed_clip_may_be_taken_up_again():
    timeline = checks.Timeline(Database())
    timeline.look({JOB: "failed"})
    timeline.look({JOB: "queued"})
    assert timeline.wrong == []


@pytest.mark.parametrize(("start", "expected"), [("12:00:04", [("generate", 0)]), ("12:00:05", [])])
def test_a_stage_that_two_workers_held_at_once_is_found(start, expected):
    runs = Database(("generate", 0, "12:00:00", "12:00:05"), ("generate", 0, start, "12:00:09"))
    assert checks.at_once(runs, JOB) == expected


def test_chunks_may_be_worked_on_at_once():
    runs = Database(("upscale", 0, "12:00:00", "12:00:05"), ("upscale", 1, "12:00:01", "12:00:06"))
    assert checks.at_once(runs, JOB) == []


def test_an_attempt_in_a_round_of_outages_is_found():
    used = Database(("generate", 0, ""))
    assert checks.wrong_attempts(used, JOB, ("",), is_of_outages=True)
    assert checks.wrong_attempts(used, JOB, ("",), is_of_outages=False) == []


def test_a_reason_that_no_fault_explains_is_found():
    used = Database(("generate", 0, "stage-hung"))
    assert checks.wrong_attempts(used, JOB, ("",), is_of_outages=False)
    assert checks.wrong_attempts(used, JOB, ("stage-hung",), is_of_outages=False) == []


def test_a_watcher_that_cannot_look_says_so():
    class Blind(Watcher):
        SECONDS = 0.01

        def look_once(self) -> None:
            raise AssertionError("the database is locked")

    blind = Blind()
    with blind:
        while not blind.wrong:
            continue
    assert "could not look" in blind.wrong[0]
