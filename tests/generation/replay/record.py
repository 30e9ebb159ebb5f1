"""Recorder of the outcomes of the cases (cases.py), with the current code, in posts.json:

    python -m pytest -q tests/generation/replay/record.py

Run it only after an intended change of behaviour: a recording made after a change proves nothing about that change.
"""

import copy

import pytest

from tests.generation.replay import book
from tests.generation.replay.cases import CASES

RECORDED: dict[str, dict] = {}


@pytest.mark.django_db
@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_record(case, play):
    RECORDED[case["name"]] = {**copy.deepcopy(case), "outcomes": play(case)}


def test_write():
    assert len(RECORDED) == len(CASES), "record all cases, in one process"
    book.write([RECORDED[case["name"]] for case in CASES])
