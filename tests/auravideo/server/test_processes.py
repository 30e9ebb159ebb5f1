"""The environment of the processes that `serve` starts."""

import sys

import pytest
from django.test import override_settings

from auravideo.core.computing import libraries
from auravideo.server import processes
from auravideo.server.crew import Worker
from tests.rigs import nvml

CARDS = [
    nvml.Card("GPU-ada", used=0, total=8 * 2**30, busy=0, capability=(8, 9)),
    nvml.Card("GPU-blackwell", used=0, total=8 * 2**30, busy=0, capability=(12, 0)),
]


@pytest.fixture(autouse=True)
def _a_machine_with_an_older_and_a_newer_card(monkeypatch, tmp_path):
    nvml.install(monkeypatch, cards=CARDS)
    (tmp_path / "cuda12" / "nvidia" / "cudnn" / "lib").mkdir(parents=True)
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    monkeypatch.setattr(libraries, "torch_cuda", lambda: "13.2")
    monkeypatch.setattr(libraries, "tensorflow_kernels", lambda: [(8, 0), (9, 0)])
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.delenv("LD_LIBRARY_PATH", raising=False)


def sees_cuda_12(queue: str, device: str = "") -> bool:
    worker = processes.worker(Worker(queue, queue, device), "host")
    return "cuda12" in worker.environment.get("LD_LIBRARY_PATH", "")


@pytest.mark.parametrize(
    ("device", "expected"),
    [("", True), ("0", True), ("GPU-ada", True), ("1", False), ("GPU-blackwell", False), ("cpu", True)],
)
def test_only_tensorflow_is_shown_cuda_12(device, expected):
    """torch, which runs FILM on the newer card, would load CUDA 12's cuDNN in place of its own."""
    assert sees_cuda_12("interpolate", device) is expected
    assert not sees_cuda_12("generate", device)


@pytest.mark.parametrize("library", libraries.Library)
def test_the_setting_decides_whether_cuda_12_is_shown(library):
    with override_settings(FILM=str(library)):
        for device in ("0", "1"):
            assert sees_cuda_12("interpolate", device) is (library is libraries.Library.TENSORFLOW)
