"""What the engine needs of the machine, checked before anything is downloaded."""

import os
import shutil
import subprocess
from pathlib import Path

TOOLS = ("mmdebstrap", "slirp4netns", "setpriv", "unshare", "nsenter")
NAMESPACES = ("unshare", "--mount", "--pid", "--net", "--fork", "--kill-child", "true")
# Measured with one build of every image, rounded up.
WITHOUT_GPU_IMAGES, WITH_GPU_IMAGES = 4, 19  # GB


class CannotRun(RuntimeError):
    """This machine cannot run the engine; the text says why and what to do."""


def check(folder: Path, gigabytes: float) -> None:
    """Raise CannotRun unless an engine with this much data can run in `folder`."""
    if os.geteuid():
        raise CannotRun("The container engine needs root: run this target as root, or in a virtual machine.")
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    if missing:
        raise CannotRun(f"Not installed: {', '.join(missing)}. Run scripts/need_container_tools.")
    if not Path("/dev/net/tun").exists():
        raise CannotRun("There is no /dev/net/tun, which gives the containers their network.")
    tried = subprocess.run(NAMESPACES, capture_output=True, text=True, check=False)
    if tried.returncode:
        raise CannotRun(f"Namespaces cannot be made here: {tried.stderr.strip()}")
    check_disk(folder, gigabytes)


def check_disk(folder: Path, gigabytes: float) -> None:
    """Raise CannotRun unless this much is free where `folder` is or will be."""
    there = next(path for path in (folder, *folder.parents) if path.exists())
    free = shutil.disk_usage(there).free / 1e9
    if free < gigabytes:
        raise CannotRun(
            f"{folder} needs {gigabytes:g} GB of free disk, and {free:.1f} GB are free. "
            "Set CONTAINERS_FOLDER to a folder on a larger disk."
        )
