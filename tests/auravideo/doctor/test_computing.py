"""What the doctor says about cards that torch cannot use. Without a card, reports stand in for those of the trial."""

import subprocess

import pynvml
import pytest

from auravideo.doctor import computing, rendering
from auravideo.doctor.findings import State
from tests.rigs import nvml

TORCH = {"torch": "2.15.0", "kernels": ["sm_75", "sm_80", "sm_86", "sm_90", "sm_100", "sm_120"], "problem": ""}
NO_KERNEL = "CUDA error: no kernel image is available for execution on the device"


@pytest.fixture(autouse=True)
def _a_machine_with_a_card(monkeypatch):
    nvml.install(monkeypatch, cards=[nvml.Card("GPU-1", used=0, total=8 * 2**30, busy=0)])
    monkeypatch.setattr(rendering, "torch_cuda", lambda: "13.2")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


@pytest.fixture
def report(monkeypatch):
    """Return a function that sets what the trial finds."""

    def say(*cards, **changes):
        monkeypatch.setattr(computing, "trial", lambda: {**TORCH, "cards": list(cards), **changes})

    return say


def a_card(name="NVIDIA GeForce RTX 3060", capability="8.6", fault="", problem=""):
    return {"name": name, "capability": capability, "fault": fault, "problem": problem}


def test_a_card_that_computes(report):
    report(a_card())
    assert computing.computing() == (
        "torch 2.15.0 computes on NVIDIA GeForce RTX 3060 (compute 8.6); FILM's TensorFlow has kernels for it"
    )


def test_a_card_that_is_newer_than_tensorflows_kernels(report):
    report(a_card("NVIDIA GeForce RTX 5090", "12.0"))
    assert computing.computing() == (
        "torch 2.15.0 computes on NVIDIA GeForce RTX 5090 (compute 12.0); "
        "TensorFlow's kernels end at compute 9.0, so FILM may interpolate on the CPU (NVIDIA GeForce RTX 5090)"
    )


@pytest.mark.parametrize(
    ("name", "capability", "fix"),
    [
        ("NVIDIA GeForce GTX 1080", "6.1", computing.OLD_CARD),
        ("Tesla V100", "7.0", computing.OLD_CARD),
        ("NVIDIA of tomorrow", "13.0", computing.NEW_CARD),
    ],
)
def test_a_card_without_kernels_is_named_with_what_to_do(report, problem, name, capability, fix):
    report(a_card(), a_card(name, capability, "unsupported", NO_KERNEL))
    found = problem(computing.computing)
    assert found.detail == (
        f"{name} has compute capability {capability}; torch 2.15.0 has kernels for 7.5 to 12.0, "
        "so no clip can be rendered there"
    )
    assert found.fix == fix


def test_an_old_driver_is_not_blamed_on_the_card(report, problem):
    words = "CUDA error: the provided PTX was compiled with an unsupported toolchain."
    report(a_card(fault="driver too old", problem=words))
    found = problem(computing.computing)
    assert words in found.detail
    assert found.fix == computing.OLD_DRIVER


def test_a_card_that_is_lost_asks_for_a_restart(report, problem):
    report(a_card(fault="context lost", problem="CUDA error: unspecified launch failure"))
    assert problem(computing.computing).fix == computing.RESTART


def test_a_card_that_is_full_of_our_own_models_needs_no_restart(report, problem):
    full = a_card(fault="out of memory", problem="CUDA out of memory. Tried to allocate 2.00 MiB.")
    report(full, a_card("Tesla V100"))
    found = problem(computing.computing)
    assert (found.state, found.fix) == (State.WARNING, computing.FULL)
    assert found.detail.startswith("NVIDIA GeForce RTX 3060 is too full to be tried: CUDA out of memory")
    report(full, a_card("Tesla V100", "7.0", "unsupported", NO_KERNEL))
    assert "Tesla V100" in problem(computing.computing).detail, "a card that is full hid one that fails"


def test_a_torch_that_finds_no_card_says_that_the_cpu_renders(report, problem):
    report(problem="The NVIDIA driver on your system is too old (found version 11040).")
    found = problem(computing.computing)
    assert found.detail.startswith("torch finds no card, so clips are rendered on the CPU: The NVIDIA driver")


def test_cards_that_are_hidden_on_purpose_are_no_problem(monkeypatch, not_applicable):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert "hides" in not_applicable(computing.computing)


def test_machines_that_render_nothing_on_cards_are_left_alone(monkeypatch, not_applicable):
    monkeypatch.setattr(rendering, "torch_cuda", lambda: "")
    not_applicable(computing.computing)
    nvml.install(monkeypatch, cards=None)
    not_applicable(computing.computing)


def test_a_driver_that_hangs_is_a_finding(monkeypatch, problem):
    def hang(command, timeout, **_options):
        raise subprocess.TimeoutExpired(command, timeout)

    monkeypatch.setattr(subprocess, "run", hang)
    assert "did not compute within 90 s" in problem(computing.computing).detail


def test_a_torch_that_cannot_be_loaded_is_a_finding(monkeypatch, problem):
    monkeypatch.setattr(computing, "TRIAL", "workers.engines.nothing")
    assert "No module named workers.engines.nothing" in problem(computing.computing).detail


def test_the_trial_runs_for_real():
    """Here without a card; tests/workers/engines/test_card_trial.py shows what it makes of cards."""
    found = computing.trial()
    assert (found["cards"] == []) == bool(found["problem"])
    assert found["torch"]


def test_the_kernels_of_the_tensorflow_that_is_here():
    found = computing.tensorflow_kernels()
    assert found is None or found == sorted(found)
    assert not found or found[0] >= (5, 0)


def test_a_card_in_exclusive_mode_asks_for_no_restart(report, problem, monkeypatch):
    exclusive = nvml.Card("GPU-1", used=0, total=8 * 2**30, busy=0, mode=pynvml.NVML_COMPUTEMODE_EXCLUSIVE_PROCESS)
    nvml.install(monkeypatch, cards=[exclusive])
    words = "CUDA error: CUDA-capable device(s) is/are busy or unavailable"
    report(a_card(fault="context lost", problem=words))
    found = problem(computing.computing)
    assert "exclusive process mode" in found.detail
    assert (found.fix, found.state) == (rendering.all_may(0), State.WARNING)
