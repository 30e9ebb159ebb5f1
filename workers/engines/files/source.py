"""A model's files as errors name them, and what a bad file is instead."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from auravideo.commands import FETCH_MODELS
from generation.domain.errors import RenderError
from workers.engines.device_errors import fault_of

logger = logging.getLogger(__name__)


class Source:
    """A model on disk and its display name; creates the errors that name it.

    Args:
        label: the model's display name.
        command: what an operator runs to download it.
        variant: preferred infix of the weights, such as "fp16"; others are used if there is no such file.
    """

    def __init__(self, label: str, command: str = FETCH_MODELS, variant: str | None = None) -> None:
        self.label, self.command, self.variant = label, command, variant

    def missing(self, path: Path) -> RenderError:
        return RenderError("model-missing", model=self.label, file=path.name, command=self.command)

    def unsafe(self, path: Path, problem: str) -> RenderError:
        """Return the error for a file that asks for more than weights; `problem` is what it asks for."""
        logger.error("%s: %s is not used: %s", self.label, path, problem)
        return RenderError("model-unsafe", model=self.label, file=path.name, problem=problem)

    def corrupt(self, path: Path) -> RenderError:
        """Return the error for a file that cannot be read: what it is instead, if that can be told."""
        id = disguise(path) if path.suffix in (".safetensors", ".gguf") else None
        if id == "model-is-archive" and path.suffix == ".gguf":
            id = None  # its text is about .ckpt
        return RenderError(id or "model-corrupt", model=self.label, file=path.name, command=self.command)

    @contextmanager
    def reading(self, path: Path) -> Iterator[None]:
        """Translate library errors about a bad file into "model-corrupt"; the device's errors and ours pass through.

        Libraries raise anything: tokenizers a bare `Exception`, safetensors its own class.
        """
        try:
            yield
        except Exception as error:
            if isinstance(error, RenderError) or fault_of(error) is not None:
                raise
            logger.exception("%s: %s cannot be loaded", self.label, path)
            raise self.corrupt(path) from error


def disguise(path: Path) -> str | None:
    """Return the error ID of what a file is that claims to hold weights; None if that cannot be told."""
    try:
        with path.open("rb") as file:
            start = file.read(512).lstrip(b"\xef\xbb\xbf \t\r\n")
    except OSError:
        return None
    signs = {b"<": "model-is-page", b"PK\x03\x04": "model-is-archive", b"\x80\x02": "model-is-archive"}
    signs[b"version https://git-lfs"] = "model-is-pointer"
    return next((id for sign, id in signs.items() if start.startswith(sign)), None)
