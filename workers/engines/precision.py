"""Which precision a card computes a model in, and what it computes wrongly, which is found out once.

The GTX 16 series returns NaN or black frames in half precision (pytorch#58123), and some models overflow in it on every
card. What failed is remembered per card, model and part of the model, in a file if there is one to write.
"""

import json
import logging
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from workers.engines.devices import BFLOAT16, FLOAT32

logger = logging.getLogger(__name__)


NETWORK, DECODER = "network", "decoder"  # the parts of a model that may differ in precision


class NotFinite(FloatingPointError):
    """A part of a model computed NaN or infinity. `part`: `NETWORK` (denoises) or `DECODER` (of finite latents)."""

    def __init__(self, part: str, text: str) -> None:
        self.part = part
        super().__init__(text)


def dtype(precision: str) -> Any:
    """Return the torch dtype of that name."""
    import torch

    return getattr(torch, precision)


class Precisions:
    """What each card must use instead of half precision."""

    def __init__(self) -> None:
        self._found: dict[str, str] = {}
        self._file: Path | None = None

    def keep_in(self, file: Path) -> None:
        """Read what was found before from a JSON file, and write there what will be found."""
        self._file = file
        self._found |= _read(file)

    def get(self, card: str, model: str, part: str, usual: str) -> str:
        """Return the precision to use for a part of a model on a card; `usual` where it was not found wrong."""
        return self._found.get(_key(card, model, part), usual)

    def remember(self, card: str, model: str, part: str, precision: str) -> None:
        """Remember that a part of a model needs this precision on a card."""
        self._found[_key(card, model, part)] = precision
        if self._file is None:
            return
        self._found = {**_read(self._file), **self._found}  # other workers write there too
        try:
            temporary = self._file.with_name(f".{self._file.name}.{os.getpid()}")
            temporary.write_text(json.dumps(self._found, indent=1, sort_keys=True), encoding="utf-8")
            temporary.replace(self._file)
        except OSError as error:
            logger.warning("Could not note that %s needs %s on %s: %s", model, precision, card, error)


def _read(file: Path) -> dict[str, str]:
    with suppress(OSError, ValueError):
        stored = json.loads(file.read_text(encoding="utf-8"))
        if isinstance(stored, dict):
            return {key: value for key, value in stored.items() if value in (BFLOAT16, FLOAT32)}
    return {}


def _key(card: str, model: str, part: str) -> str:
    return f"{card} | {model} | {part}"


precisions = Precisions()  # of this process
