"""Each fault of the card and the models is found."""

import hashlib
import json
from importlib.metadata import version
from types import SimpleNamespace

import pynvml
import pytest

from auravideo.core.machine import graphics
from auravideo.doctor import rendering
from generation.catalogue.lockfile import lock_path
from generation.requests import available
from tests.rigs import nvml

GIB = 2**30
ONE_CARD = [nvml.Card("GPU-1", used=0, total=8 * GIB, busy=0)]


@pytest.fixture
def torch(monkeypatch):
    """Return a function that sets what torch was built with."""
    return lambda cuda: monkeypatch.setattr(rendering, "torch_cuda", lambda: cuda)


@pytest.fixture
def bus(tmp_path, monkeypatch):
    """Return a function that puts a device on the PCI bus."""
    monkeypatch.setattr(graphics, "PCI_DEVICES", tmp_path)

    def put(vendor: str, kind: str) -> None:
        device = tmp_path / f"{vendor}-{kind}"
        device.mkdir()
        (device / "vendor").write_text(f"{vendor}\n")
        (device / "class").write_text(f"{kind}\n")

    return put


def test_no_card(monkeypatch, bus, not_applicable):
    nvml.install(monkeypatch, cards=None)
    bus("0x10de", "0x040300")  # the sound device of a card that was given to another container
    bus("0x8086", "0x030000")
    assert "CPU" in not_applicable(rendering.card)


def test_a_card_without_a_driver(monkeypatch, bus, problem):
    nvml.install(monkeypatch, cards=None)
    bus("0x10de", "0x030200")
    assert "no driver" in problem(rendering.card).detail


def test_a_card_that_can_be_used(monkeypatch, torch):
    nvml.install(monkeypatch, cards=ONE_CARD)
    torch("13.0")
    assert rendering.card() == f"NVIDIA Rig (8 GiB); driver {nvml.DRIVER}, torch with CUDA 13.0"
    torch("12.8")
    rendering.card()


def test_a_web_machine_with_a_card(monkeypatch, torch):
    nvml.install(monkeypatch, cards=ONE_CARD)
    torch(None)
    assert "not installed" in rendering.card()


def test_a_torch_built_for_the_cpu(monkeypatch, torch, problem):
    nvml.install(monkeypatch, cards=ONE_CARD)
    torch("")
    assert "built for the CPU" in problem(rendering.card).detail


def test_a_driver_too_old_for_torch(monkeypatch, torch, problem):
    nvml.install(monkeypatch, cards=ONE_CARD, cuda=12080)
    torch("13.0")
    assert problem(rendering.card).detail == f"torch needs CUDA 13.0, driver {nvml.DRIVER} supports 12.8"


def test_the_build_of_the_torch_that_is_here():
    assert bool(rendering.torch_cuda()) == ("+cpu" not in version("torch"))


def test_the_version_file_of_torch_for_another_maker(monkeypatch, tmp_path):
    (tmp_path / "version.py").write_text("cuda: Optional[str] = None\nhip: Optional[str] = '7.2.1'\nxpu = None\n")
    monkeypatch.setattr(graphics, "find_spec", lambda _name: SimpleNamespace(origin=str(tmp_path / "__init__.py")))
    assert graphics.torch_build() == graphics.Build(hip="7.2.1")


def test_the_models_that_ship():
    assert rendering.models().endswith("0 fetched")


def test_a_catalogue_that_cannot_be_read(settings, tmp_path, problem):
    path = tmp_path / "catalogue.toml"
    path.write_text("[models.x\n")
    settings.CATALOGUE_FILE = str(path)
    assert "AURAVIDEO_CATALOGUE" in problem(rendering.models).fix


def test_an_argument_that_the_pipeline_does_not_take_is_named_before_anything_renders(settings, tmp_path, problem):
    path = tmp_path / "catalogue.toml"
    path.write_text("[models.wan2-1-t2v-1-3b.call]\nmax_sequence_lenght = 512\n")
    settings.CATALOGUE_FILE = str(path)
    found = str(problem(rendering.models))
    assert "models 'wan2-1-t2v-1-3b': field 'call' names 'max_sequence_lenght'" in found
    assert "there are guidance_scale_2, max_sequence_length" in found


# Without hashes: those of the lock file count.
MINE = """
[upscalers.mine]
label = "Mine"
purpose = "Enlarges."
family = "any"
repo = "me/mine"
revision = "6907f85a9095e201ec4b3c7e91bbb66cdec0f04d"
licence = "MIT"
scales = { 4 = "mine.pth" }
download_mb = 1
memory_gb = 1.0
"""


@pytest.fixture
def fetched(settings, tmp_path):
    """A model that was fetched: return the path of one of its files."""
    settings.HOME = tmp_path
    settings.CATALOGUE_FILE = str(tmp_path / "catalogue.toml")
    (tmp_path / "catalogue.toml").write_text(MINE)
    entry = available.catalogue()["mine"]
    files = {}
    for name in entry.scales.values():
        path = entry.path(tmp_path) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"weights")
        files[name] = {"size": 7, "sha256": hashlib.sha256(b"weights").hexdigest()}
    locked = {"sources": [{"repo": "me/mine", "commit": "c"}], "files": files}
    lock_path(tmp_path).write_text(json.dumps({"version": 1, "models": {entry.id: locked}}))
    return path


def test_a_fetched_model_that_is_intact(fetched):
    assert rendering.models().endswith("1 fetched")


def test_a_fetched_model_that_was_changed(fetched, problem):
    fetched.write_bytes(b"weighty")
    found = problem(rendering.models)
    assert fetched.name in found.detail and "fetch_models mine" in found.fix


def test_a_fetched_model_that_is_gone(fetched, problem):
    fetched.unlink()
    assert "model-missing" in problem(rendering.models).detail


def test_a_lock_file_that_cannot_be_read(fetched, settings, problem):
    lock_path(settings.HOME).write_text("{")
    assert "fetch_models" in problem(rendering.models).fix


# --- Compute modes, and other makers ----------------------------------------------------------------------------------


def in_mode(monkeypatch, torch, mode):
    torch("13.0")
    nvml.install(monkeypatch, [nvml.Card("GPU-1", used=0, total=8 * GIB, busy=0, mode=mode)])


def test_a_card_in_exclusive_mode_that_several_workers_share_is_explained(monkeypatch, torch, problem, settings):
    in_mode(monkeypatch, torch, pynvml.NVML_COMPUTEMODE_EXCLUSIVE_PROCESS)
    settings.WORKERS = ""
    found = problem(rendering.card)
    assert "exclusive mode: one process at a time" in found.detail
    assert "generate, interpolate, upscale" in found.detail
    assert "nvidia-smi -i 0 -c 0" in found.fix
    assert "restart" not in found.fix.lower()
    settings.WORKERS = "cpu,generate:0,interpolate:cpu,upscale:cpu"
    assert "NVIDIA Rig" in rendering.card(), "as the advice says"


def test_a_card_on_which_nothing_may_compute(monkeypatch, torch, problem):
    in_mode(monkeypatch, torch, pynvml.NVML_COMPUTEMODE_PROHIBITED)
    assert "prohibited" in problem(rendering.card).detail


def test_a_card_of_another_maker_is_named(monkeypatch, bus, not_applicable):
    nvml.install(monkeypatch, cards=None)
    bus("0x1002", "0x030000")
    assert "ROCm" in not_applicable(rendering.card)
    monkeypatch.setattr(graphics, "torch_build", lambda: graphics.Build(hip="7.2"))
    monkeypatch.setattr(graphics, "amd", lambda: [graphics.Card("Radeon RX 7900", 20 * GIB, 20 * GIB)])
    assert rendering.card() == "Radeon RX 7900 (20 GiB), not tried by us"
