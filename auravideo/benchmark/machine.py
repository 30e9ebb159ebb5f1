"""What a benchmark ran on, and whether anything else ran beside it."""

import os
import platform
from importlib import metadata
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import Error

from auravideo.core import operating_system
from generation.queue import roster

BUSY_LOAD = 0.5  # runnable processes per core


def describe() -> dict[str, Any]:
    """Return the machine's facts, for the JSON."""
    return {
        "processor": _processor(),
        "cores": cores(),
        "card": _card(),
        "versions": {name: _version(name) for name in ("torch", "tensorflow", "diffusers", "spandrel")},
        "python": platform.python_version(),
        "load": os.getloadavg()[0],
        "busy_workers": busy_workers(),
    }


def warnings(machine: dict[str, Any]) -> list[str]:
    """Return why the seconds measured now may be too long."""
    found = []
    if names := machine["busy_workers"]:
        found.append(f"Workers of this site are rendering: {', '.join(names)}. They go first.")
    if machine["load"] > BUSY_LOAD * machine["cores"]:
        found.append(f"The machine is busy: load {machine['load']:.1f} on {machine['cores']} cores.")
    return [f"{text} Trust the ratios, not the seconds." for text in found]


def cores() -> int:
    return operating_system.cores()


def busy_workers() -> list[str]:
    """Return the site's workers that are rendering; none if there is no site."""
    database = settings.DATABASES["default"]
    if database["ENGINE"].endswith("sqlite3") and not Path(database["NAME"]).exists():
        return []  # asking would create the file
    try:
        return [member.worker.name for member in roster.members() if member.doing]
    except Error:
        return []


def _processor() -> str:
    return operating_system.processor_name() or platform.processor() or platform.machine()


def _card() -> str | None:
    import pynvml

    try:
        pynvml.nvmlInit()
        return str(pynvml.nvmlDeviceGetName(pynvml.nvmlDeviceGetHandleByIndex(0)))
    except pynvml.NVMLError:
        return None


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
