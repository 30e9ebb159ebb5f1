"""The compute capability of a worker's card, on a machine with two that differ."""

import pytest

from auravideo.core.metrics import gpus
from tests.rigs import nvml

CARDS = [
    nvml.Card("GPU-ada", used=0, total=1, busy=0, capability=(8, 9)),
    nvml.Card("GPU-blackwell", used=0, total=1, busy=0, capability=(12, 0)),
]


@pytest.mark.parametrize(
    ("visible", "found"),
    [
        (None, (8, 9)), ("0", (8, 9)), ("1", (12, 0)), ("1,0", (12, 0)), ("GPU-blackwell", (12, 0)),
        ("", None), ("-1", None), ("GPU-gone", None),
    ],
)  # fmt: skip
def test_it_is_that_of_the_first_card_that_is_visible(monkeypatch, visible, found):
    nvml.install(monkeypatch, cards=CARDS)
    assert gpus.capability(visible) == found


def test_without_a_driver_there_is_none(monkeypatch):
    nvml.install(monkeypatch, cards=None)
    assert gpus.capability(None) is None
