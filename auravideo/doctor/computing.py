"""Checks that the graphics cards compute, and what runs where if they do not."""

import json
import os
import re
import subprocess
import sys
from typing import Any

from django.conf import settings

from auravideo.core.computing.libraries import Library, film_library, tensorflow_kernels, version
from auravideo.core.metrics import gpus
from auravideo.doctor import rendering
from auravideo.doctor.findings import Check, NotApplicable, Problem, State

TRIAL = "workers.engines.card_trial"  # a process of its own: torch takes seconds and gigabytes to load
SECONDS = 90.0  # a cold disk takes its time
OLD_CARD = (
    "Use an NVIDIA card of the Turing generation or later (GTX 16xx, RTX 20xx). To render on the CPU until then, give"
    " the workers no card: AURAVIDEO_WORKERS=cpu,generate:cpu,interpolate:cpu,upscale:cpu"
)
NEW_CARD = "Update AuraVideo; if this is its latest version, report the card as a bug."
OLD_DRIVER = "Update NVIDIA's driver (docs/install.md)."
FULL = "Ask again while no clip is rendered; nvidia-smi shows what else fills the card."
NO_MEMORY = "out of memory"  # device_errors.Fault
RESTART = "Restart the machine. If that does not help, update NVIDIA's driver (docs/install.md)."


def computing() -> str:
    """Check that torch computes on each card, and say what does not run there."""
    if not gpus.read():
        raise NotApplicable("no NVIDIA card that answers")
    if not rendering.torch_cuda():
        raise NotApplicable("torch is not installed here, or built for the CPU")
    if os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1"):
        raise NotApplicable("CUDA_VISIBLE_DEVICES hides the cards")
    found = trial()
    if not found["cards"]:
        raise Problem(f"torch finds no card, so clips are rendered on the CPU: {found['problem']}", OLD_DRIVER)
    for card in sorted(found["cards"], key=lambda card: card["fault"] == NO_MEMORY):  # the warnings last
        _judge(card, found)
    names = ", ".join(f"{card['name']} (compute {card['capability']})" for card in found["cards"])
    return f"torch {found['torch']} computes on {names}; {_interpolating(found['cards'])}"


def trial() -> dict[str, Any]:
    """Return what workers/engines/card_trial.py found."""
    command = [sys.executable, "-m", TRIAL]
    environment = {**os.environ, "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}  # as for the workers (auravideo/celery.py)
    try:
        done = subprocess.run(  # noqa: S603  a module of ours
            command,
            cwd=settings.BASE_DIR,
            env=environment,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise Problem(f"the card did not compute within {SECONDS:g} s", RESTART) from error
    if done.returncode:
        words = done.stderr.strip().splitlines() or [f"it exited with status {done.returncode}"]
        raise Problem(f"torch cannot be tried: {words[-1]}", "Install torch again: make clean, then make run")
    return dict(json.loads(done.stdout.splitlines()[-1]))


def _judge(card: dict[str, str], found: dict[str, Any]) -> None:
    """Raise a problem if a card does not compute."""
    if not card["problem"]:
        return
    name = card["name"] or "the card"
    if card["fault"] == "unsupported" and card["capability"]:
        kernels = sorted(map(version, re.findall(r"sm_(\d+)", " ".join(found["kernels"]))))
        oldest, newest = kernels[0], kernels[-1]
        own = tuple(map(int, card["capability"].split(".")))
        fix = OLD_CARD if own < oldest else NEW_CARD
        text = f"{name} has compute capability {card['capability']}; torch {found['torch']} has kernels for"
        raise Problem(f"{text} {_written(oldest)} to {_written(newest)}, so no clip can be rendered there", fix)
    if card["fault"] == NO_MEMORY:  # a busy site's own workers fill it
        raise Problem(f"{name} is too full to be tried: {card['problem']}", FULL, State.WARNING)
    if "busy or unavailable" in card["problem"] and (exclusive := [gpu for gpu in gpus.read() if gpu.mode]):
        text = f"{name} is in {exclusive[0].mode} mode, and another process uses it: {card['problem']}"
        raise Problem(text, rendering.all_may(exclusive[0].index), State.WARNING)
    fix = OLD_DRIVER if card["fault"] == "driver too old" else RESTART
    raise Problem(f"torch cannot compute on {name}: {card['problem']}", fix)


def _interpolating(cards: list[dict[str, str]]) -> str:
    """Return where FILM runs: TensorFlow has kernels of its own, and where they end, torch runs it."""
    beyond = [card["name"] for card in cards if _library(card) is Library.TORCH]
    if len(beyond) == len(cards):
        return "FILM runs there in torch"
    kernels = tensorflow_kernels()
    if kernels is None:
        return "FILM does not run here: AURAVIDEO_FILM asks for TensorFlow, which is not installed"
    if not kernels:
        return "AURAVIDEO_FILM=tensorflow, which is built for the CPU: FILM interpolates there"
    newest = max(kernels)
    too_new = [card["name"] for card in cards if _capability(card) > newest]
    if too_new and not beyond:
        ends = f"AURAVIDEO_FILM=tensorflow, whose kernels end at compute {_written(newest)}"
        return f"{ends}: FILM may interpolate on the CPU ({too_new[0]})"
    if beyond:
        return f"FILM runs in torch on {beyond[0]}, and in TensorFlow elsewhere"
    return "FILM's TensorFlow has kernels for it" if len(cards) == 1 else "FILM's TensorFlow has kernels for all"


def _library(card: dict[str, str]) -> Library:
    return film_library(settings.FILM, _capability(card))


def _capability(card: dict[str, str]) -> tuple[int, int]:
    major, minor = map(int, card["capability"].split("."))
    return major, minor


def _written(version: tuple[int, int]) -> str:
    return "{}.{}".format(*version)


CHECKS: list[Check] = [("computing", computing, SECONDS + 5)]
