"""What the trial makes of cards that torch cannot use."""

import pytest
import torch

from workers.engines import card_trial


@pytest.fixture
def card(monkeypatch):
    """A card of which torch knows the name; a computation there fails as `fails` says."""
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _index: "NVIDIA GeForce GTX 1080")
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _index: (6, 1))

    def fails(error):
        def ones(*_size, **_options):
            raise error

        monkeypatch.setattr(torch, "ones", ones)

    return fails


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        ("CUDA error: no kernel image is available for execution on the device\nCompile with ...", "unsupported"),
        ("The NVIDIA driver on your system is too old (found version 11040).", "driver too old"),
        ("CUDA error: unspecified launch failure", "context lost"),
        ("something else", ""),
    ],
)
def test_what_a_card_says_is_told_apart(card, words, fault):
    card(RuntimeError(words))
    (found,) = card_trial.trial()["cards"]
    first = words.splitlines()[0]
    assert found == {"name": "NVIDIA GeForce GTX 1080", "capability": "6.1", "fault": fault, "problem": first}


def test_a_result_that_is_wrong_is_a_problem(card, monkeypatch):
    zeros = torch.zeros(8, 8)
    monkeypatch.setattr(torch, "ones", lambda *_size, **_options: zeros)
    (found,) = card_trial.trial()["cards"]
    assert found["problem"] == "it computes wrongly"


def test_a_result_that_is_right_is_none(card, monkeypatch):
    ones = torch.ones(8, 8, dtype=torch.float16)
    monkeypatch.setattr(torch, "ones", lambda *_size, **_options: ones)
    (found,) = card_trial.trial()["cards"]
    assert (found["problem"], found["fault"]) == ("", "")
