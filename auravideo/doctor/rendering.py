"""Checks of what renders: the graphics card, its driver, torch, the models."""

from pathlib import Path

from django.conf import settings

from auravideo.core.computing.libraries import torch_cuda
from auravideo.core.metrics import gpus
from auravideo.doctor.findings import Check, NotApplicable, Problem
from generation.catalogue.load import Catalogue, CatalogueError, Entry
from generation.catalogue.lockfile import read_lock, verify
from generation.domain.errors import RenderError
from generation.requests import available

PCI_DEVICES = Path("/sys/bus/pci/devices")
NVIDIA, DISPLAY = "0x10de", "0x03"
DRIVER = "Install NVIDIA's driver (docs/install.md), or give the container the card (--gpus all)."


def card() -> str:
    """Check that a card that is there can be used: driver, and a torch built for it."""
    cards = gpus.read()
    if not cards:
        if _has_card():
            raise Problem("there is an NVIDIA card, but no driver answers", DRIVER)
        raise NotApplicable("no NVIDIA card: clips are rendered on the CPU")
    names = ", ".join(f"{card.name} ({card.total / 2**30:.0f} GiB)" for card in cards)
    built = torch_cuda()
    if built is None:
        return f"{names}; torch is not installed here"
    if built == "":
        raise Problem(f"{names}, but torch is built for the CPU", "Install torch from PyPI: make clean, then make run")
    supported = gpus.cuda_version()
    if int(built.split(".")[0]) > int(supported.split(".")[0]):
        fix = f"Update the driver to one that supports CUDA {built.split('.')[0]} (docs/install.md)."
        raise Problem(f"torch needs CUDA {built}, driver {gpus.driver_version()} supports {supported}", fix)
    return f"{names}; driver {gpus.driver_version()}, torch with CUDA {built}"


def _has_card() -> bool:
    """Return whether the PCI bus has an NVIDIA display device."""
    found = [path for path in PCI_DEVICES.glob("*") if _text(path / "vendor") == NVIDIA]
    return any(_text(path / "class").startswith(DISPLAY) for path in found)


def _text(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""


def models() -> str:
    """Check that the default model is there, and that every fetched model is as it was when it was fetched."""
    catalogue = _catalogue()
    for entry in catalogue.with_needs(catalogue.default_model.id):
        _check(entry)
    fetched = [entry for entry in catalogue if entry.id in _lock()]
    for entry in fetched:
        _check(entry)
    return f"{catalogue.default_model.label}; {len(fetched)} fetched"


def _catalogue() -> Catalogue:
    try:
        return available.catalogue()
    except CatalogueError as error:
        raise Problem(str(error), "Correct the file that AURAVIDEO_CATALOGUE names.") from error


def _lock() -> dict[str, object]:
    try:
        return read_lock(settings.HOME)
    except RenderError as error:
        raise Problem(str(error.context["file"]), f"Run: {error.context['command']}") from error


def _check(entry: Entry) -> None:
    try:
        verify(entry, settings.HOME)
    except RenderError as error:
        raise Problem(
            f"{entry.label}: {error.id} ({error.context.get('file', '')})", f"Run: {entry.command}"
        ) from error


CHECKS: list[Check] = [("graphics card", card), ("models", models)]
