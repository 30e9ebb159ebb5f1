"""Which processes cannot be kept running: reported by their supervisors, read by everyone."""

import json

import pytest

from generation.queue import broker
from generation.queue.monitoring import failing
from generation.queue.monitoring.failing import Failing


@pytest.fixture
def two_machines():
    failing.report("box:1", [Failing("upscale@box", 4), Failing("generate@box", 3)])
    failing.report("rack:1", [Failing("site@rack", 9)])


def test_the_reports_of_all_machines_are_read_together(two_machines):
    assert failing.everywhere() == [Failing("generate@box", 3), Failing("site@rack", 9), Failing("upscale@box", 4)]


def test_a_report_replaces_the_one_before(two_machines):
    failing.report("box:1", [Failing("generate@box", 5)])
    failing.report("rack:1", [])
    assert failing.everywhere() == [Failing("generate@box", 5)]


def test_one_that_runs_and_does_not_answer_is_told_from_one_that_exits():
    failing.report("box:1", [Failing("site@box", 0, is_silent=True)])
    (found,) = failing.everywhere()
    assert str(found) == "site@box stopped answering and is started again"


def test_an_older_version_understands_what_it_knows(two_machines):
    """During a rolling restart, it reads the reports of this one, and it knows two fields."""
    stored = broker.connection().get("auravideo:failing:rack:1")
    assert json.loads(stored) == [{"name": "site@rack", "exits": 9}]


def test_a_supervisor_that_vanished_reports_nothing(two_machines):
    assert 0 < broker.connection().ttl("auravideo:failing:box:1") <= failing.EXPIRES_SECONDS
    broker.connection().delete("auravideo:failing:box:1")  # as Redis does at its end
    assert failing.everywhere() == [Failing("site@rack", 9)]
    assert broker.connection().smembers(failing.INDEX) == {b"auravideo:failing:rack:1"}
