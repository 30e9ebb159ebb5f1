"""What the installed torch and TensorFlow were built for, and which of them runs FILM.

Read from their files: importing them takes seconds, and the two never share a process (docs/adr/0002).
"""

import platform
import re
import sys
from enum import StrEnum
from importlib.util import find_spec
from pathlib import Path


class Library(StrEnum):
    """A library that can run FILM."""

    TENSORFLOW = "tensorflow"
    TORCH = "torch"


AUTO = "auto"
FILM_CHOICES = (AUTO, *map(str, Library))  # values of AURAVIDEO_FILM
Capability = tuple[int, int]  # of an NVIDIA card: (12, 0) is a GeForce RTX 50


def film_library(wanted: str, card: Capability | None) -> Library:
    """Return the library that runs FILM.

    Args:
        wanted: one of `FILM_CHOICES`. With "auto", TensorFlow, for which FILM was published, unless torch can use a
            device that TensorFlow cannot, or TensorFlow is not installed.
        card: the compute capability of the worker's card; None if it has no NVIDIA card.
    """
    if wanted != AUTO:
        return Library(wanted)
    if torch_cuda() is None:
        return Library.TENSORFLOW
    kernels = tensorflow_kernels()
    if kernels is None or torch_has_other_devices():
        return Library.TORCH
    if card is None or not torch_cuda():
        return Library.TENSORFLOW
    return Library.TORCH if card > max(kernels, default=(0, 0)) else Library.TENSORFLOW


def torch_cuda() -> str | None:
    """Return the CUDA version that torch was built with, "" for a CPU build, None without torch."""
    return _torch_built_with("cuda")


def torch_has_other_devices() -> bool:
    """Return whether torch was built for a graphics processor by AMD, Intel or Apple; TensorFlow's wheels know none."""
    if sys.platform == "darwin":
        return platform.machine() == "arm64" and torch_cuda() is not None
    return bool(_torch_built_with("hip") or _torch_built_with("xpu"))


def _torch_built_with(platform: str) -> str | None:
    found = find_spec("torch")
    if found is None or found.origin is None:
        return None
    version = (Path(found.origin).parent / "version.py").read_text()
    match = re.search(rf"^{platform}\b[^=]*=\s*['\"]([\w.-]+)", version, re.M)
    return match[1] if match else ""


def tensorflow_kernels() -> list[Capability] | None:
    """Return what TensorFlow was compiled for; None without TensorFlow, nothing for a CPU build."""
    found = find_spec("tensorflow")
    if found is None or found.origin is None:
        return None
    build = Path(found.origin).parent / "python/platform/build_info.py"
    listed = re.search(r"cuda_compute_capabilities'?\"?[,:]\s*\[([^\]]*)\]", build.read_text())
    return [version(digits) for digits in re.findall(r"_(\d+)", listed[1])] if listed else []


def version(digits: str) -> Capability:
    """Return (12, 0) for "120"."""
    return int(digits[:-1]), int(digits[-1])
