"""A job moves only along allowed transitions; an ended job stays ended unless it is retried."""

import pytest

from generation.domain.states import ACTIVE, ENDED, Status, can_move

ALLOWED = {
    ("queued", "running"),
    ("queued", "failed"),
    ("queued", "cancelled"),
    ("running", "queued"),  # the worker was lost
    ("running", "done"),
    ("running", "failed"),
    ("running", "cancelled"),
    ("failed", "queued"),  # retry
    ("cancelled", "queued"),  # retry
}


@pytest.mark.parametrize("old", list(Status))
@pytest.mark.parametrize("new", list(Status))
def test_a_job_makes_just_the_moves_that_its_life_has(old, new):
    assert can_move(old, new) == ((old.value, new.value) in ALLOWED)


def test_done_is_final():
    assert not any(can_move(Status.DONE, new) for new in Status)


def test_no_state_is_a_move_to_itself():
    assert not any(can_move(status, status) for status in Status)


def test_every_state_is_either_active_or_ended():
    assert set(Status) == ACTIVE | ENDED
    assert not ACTIVE & ENDED


def test_every_state_can_be_reached_and_every_active_one_can_be_left():
    assert {new for _old, new in ALLOWED} == {status.value for status in Status}
    assert all(any(can_move(old, new) for new in ENDED) for old in ACTIVE)


def test_a_state_is_stored_as_its_name():
    assert [str(status) for status in Status] == ["queued", "running", "done", "failed", "cancelled"]
