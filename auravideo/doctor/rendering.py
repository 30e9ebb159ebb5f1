"""Checks of what renders: the graphics card, its driver, torch, the models."""

import os

from django.conf import settings

from auravideo.core import graphics
from auravideo.core.metrics import gpus
from auravideo.doctor.findings import Check, NotApplicable, Problem, State
from auravideo.server import crew
from generation.catalogue.load import Catalogue, CatalogueError, Entry
from generation.catalogue.lockfile import read_lock, verify
from generation.domain.errors import RenderError
from generation.domain.stages import CPU
from generation.requests import available

DRIVER = "Install NVIDIA's driver (docs/install.md), or give the container the card (--gpus all)."


def card() -> str:
    """Check that a card that is there can be used: driver, and a torch built for it."""
    cards = gpus.read()
    if not cards:
        return _other_card()
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
    for card in cards:
        _judge_mode(card)
    return f"{names}; driver {gpus.driver_version()}, torch with CUDA {built}"


def _judge_mode(card: gpus.Gpu) -> None:
    """Raise a problem if a card is set to be used by fewer processes than are meant to."""
    if card.mode == gpus.PROHIBITED:
        raise Problem(f"{card.name} is in prohibited mode: nothing may compute on it", all_may(card.index))
    if card.mode == gpus.EXCLUSIVE and len(sharing := _workers_on(card)) > 1:
        text = f"{card.name} is in exclusive mode: one process at a time may use it, and the others of"
        raise Problem(f"{text} {', '.join(sharing)} fail", all_may(card.index), State.WARNING)


def all_may(index: int) -> str:
    """Return what to do about a card that not all processes may use."""
    return (
        f"Let all processes use it: sudo nvidia-smi -i {index} -c 0. Or give each such card one worker only, as in"
        f" AURAVIDEO_WORKERS=cpu,generate:{index},interpolate:cpu,upscale:cpu (docs/operating.md)."
    )


def _workers_on(card: gpus.Gpu) -> list[str]:
    """Return the workers that `serve` starts here and that compute on a card; those without one use the first."""
    try:
        found = crew.parse(settings.WORKERS)
    except crew.InvalidCrew:  # `serve` says so
        return []
    here = {str(card.index), *([""] if card.index == 0 else [])}
    return [
        worker.name
        for worker in found
        if worker.queue != CPU and (worker.device in here or (worker.device and card.uuid.startswith(worker.device)))
    ]


def _other_card() -> str:
    """Return what is known of a card that is not NVIDIA's."""
    makers = graphics.makers()
    if graphics.NVIDIA in makers:
        raise Problem("there is an NVIDIA card, but no driver answers", DRIVER)
    if found := graphics.other_card(settings.DEVICE, os.environ.get("CUDA_VISIBLE_DEVICES")):
        return f"{found.name} ({found.total / 2**30:.0f} GiB), not tried by us; FILM interpolates on the CPU"
    build = graphics.torch_build()
    if build is not None and graphics.AMD in makers and not build.hip:
        raise NotApplicable("an AMD card, but torch is not built for ROCm (docs/install.md): rendering on the CPU")
    raise NotApplicable("no NVIDIA card: clips are rendered on the CPU")


def torch_cuda() -> str | None:
    """Return the CUDA version that torch was built with, "" for another build, None without torch."""
    build = graphics.torch_build()
    return build.cuda if build is not None else None


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
