"""Record what comes of the cases (cases.py) with the code as it is, into posts.json:

    python -m pytest -q tests/generation/replay/record.py

For a change of behaviour that is wanted. A recording that was made after a change proves nothing about that change.
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
