"""The files that docs/batch.md shows can be rendered by a site that was just installed."""

import re
from pathlib import Path

import pytest

from generation.batches import parsing
from generation.batches import services as batches

GUIDE = (Path(__file__).resolve().parents[3] / "docs" / "batch.md").read_text()
EXAMPLES = re.findall(r"\*\*(Text|CSV|JSON Lines)\*\*.*?```\n(.*?)```", GUIDE, re.DOTALL)
FORMATS = {"Text": "text", "CSV": "csv", "JSON Lines": "jsonl"}


def test_there_is_an_example_of_each_format():
    assert [name for name, _example in EXAMPLES] == list(FORMATS)


@pytest.mark.django_db
@pytest.mark.parametrize(("name", "example"), EXAMPLES)
def test_every_row_of_an_example_can_be_rendered(name, example):
    entries = batches.check(parsing.read_rows(example.encode(), format=FORMATS[name]))
    assert len(entries) == 2
    assert [problem for entry in entries for problem in entry.problems] == []
