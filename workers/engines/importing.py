"""Importing the large libraries faster, which take most of the time until the first clip is ready; their log lines."""

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def uncollected() -> Iterator[None]:
    """Switch Python's garbage collector off for the block.

    An import makes many objects and no garbage, and the collector would look through all of them again and again: that
    is a tenth of the time that torch, diffusers and TensorFlow take to import.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


@contextmanager
def absent(*names: str) -> Iterator[None]:
    """Let imports of some modules fail within the block, as if they were not installed, unless they are imported.

    For modules that a library imports if they are there, for features that we do not use.
    """
    missing = [name for name in names if name not in sys.modules]
    sys.modules.update(dict.fromkeys(missing))  # type: ignore[arg-type]  # None stops an import, see importlib's docs
    try:
        yield
    finally:
        for name in missing:
            sys.modules.pop(name, None)


def share_logging() -> None:
    """Have diffusers and transformers log as we do: in the site's format, with the job's ID, and without secrets.

    By themselves, they write bare lines and progress bars to the terminal.
    """
    from diffusers.utils import logging as of_diffusers
    from transformers.utils import logging as of_transformers

    for library in (of_diffusers, of_transformers):
        library.disable_progress_bar()
        library.disable_default_handler()
        library.enable_propagation()
