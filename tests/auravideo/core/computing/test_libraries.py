"""Which library runs FILM: read from the files of the installed ones, which are not imported."""

import subprocess
import sys

import pytest

from auravideo.core.computing import libraries
from auravideo.core.computing.libraries import Library, film_library

ADA, BLACKWELL = (8, 9), (12, 0)
KERNELS = [(6, 0), (7, 0), (8, 0), (8, 9), (9, 0)]


@pytest.fixture
def installed(monkeypatch):
    """Return a function that sets what torch and TensorFlow were built for; None: not installed."""

    def say(*, cuda="13.2", kernels=KERNELS, others=False):
        monkeypatch.setattr(libraries, "torch_cuda", lambda: cuda)
        monkeypatch.setattr(libraries, "tensorflow_kernels", lambda: kernels)
        monkeypatch.setattr(libraries, "torch_has_other_devices", lambda: others)

    say()
    return say


@pytest.mark.parametrize(
    ("card", "library"),
    [(None, Library.TENSORFLOW), (ADA, Library.TENSORFLOW), ((9, 0), Library.TENSORFLOW), (BLACKWELL, Library.TORCH)],
)
def test_torch_runs_film_on_cards_that_are_newer_than_tensorflows_kernels(installed, card, library):
    assert film_library("auto", card) is library


def test_a_tensorflow_without_kernels_leaves_every_card_to_torch(installed):
    installed(kernels=[])
    assert film_library("auto", ADA) is Library.TORCH
    assert film_library("auto", None) is Library.TENSORFLOW


def test_a_torch_for_the_cpu_gains_nothing_from_a_new_card(installed):
    installed(cuda="")
    assert film_library("auto", BLACKWELL) is Library.TENSORFLOW


def test_a_torch_for_other_makers_cards_is_the_one_that_can_use_them(installed):
    installed(cuda="", others=True)
    assert film_library("auto", None) is Library.TORCH


@pytest.mark.parametrize("card", [None, ADA, BLACKWELL])
def test_what_is_not_installed_is_not_chosen(installed, card):
    installed(kernels=None)
    assert film_library("auto", card) is Library.TORCH
    installed(cuda=None)
    assert film_library("auto", card) is Library.TENSORFLOW
    installed(cuda=None, kernels=None)
    assert film_library("auto", card) is Library.TENSORFLOW


@pytest.mark.parametrize("library", Library)
@pytest.mark.parametrize("card", [None, ADA, BLACKWELL])
def test_the_setting_decides(installed, library, card):
    assert film_library(str(library), card) is library
    assert str(library) in libraries.FILM_CHOICES


@pytest.mark.parametrize(
    ("lines", "cuda", "others"),
    [
        (["cuda: Optional[str] = '13.2'", "hip: Optional[str] = None", "xpu: Optional[str] = None"], "13.2", False),
        (["cuda: Optional[str] = None", "hip: Optional[str] = '6.4.43482'", "xpu: Optional[str] = None"], "", True),
        (["cuda: Optional[str] = None", "hip: Optional[str] = None", "xpu: Optional[str] = '20250301'"], "", True),
        (["cuda: Optional[str] = None", "hip: Optional[str] = None"], "", False),
        (["cuda = '12.8'"], "12.8", False),
    ],
)
def test_what_torch_was_built_with_is_in_its_version_file(tmp_path, monkeypatch, lines, cuda, others):
    (tmp_path / "torch").mkdir()
    (tmp_path / "torch" / "__init__.py").touch()
    (tmp_path / "torch" / "version.py").write_text("\n".join(["__version__ = '2.15.0'", *lines, ""]))
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    monkeypatch.setattr(sys, "platform", "linux")
    assert libraries.torch_cuda() == cuda
    assert libraries.torch_has_other_devices() is others


def test_nothing_is_installed(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    for name in ("torch", "tensorflow"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    assert (libraries.torch_cuda(), libraries.tensorflow_kernels()) == (None, None)


@pytest.mark.parametrize(("machine", "found"), [("arm64", True), ("x86_64", False)])
def test_on_a_mac_the_processor_tells(monkeypatch, machine, found):
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(libraries.platform, "machine", lambda: machine)
    monkeypatch.setattr(libraries, "torch_cuda", lambda: "")
    assert libraries.torch_has_other_devices() is found


def test_the_installed_libraries_are_read_without_being_imported():
    program = (
        "import sys; from auravideo.core.computing import libraries; libraries.film_library('auto', (8, 9)); "
        "sys.exit(bool({'torch', 'tensorflow'} & sys.modules.keys()))"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
