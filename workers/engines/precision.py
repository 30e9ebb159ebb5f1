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

logger = logging.getLogger(__name__)

FLOAT16, BFLOAT16, FLOAT32 = "float16", "bfloat16", "float32"
BFLOAT16_CAPABILITY = (8, 0)  # Ampere; before, it is emulated


class NotFinite(FloatingPointError):
    """A part of a model computed NaN or infinity. `part`: "network" (denoises) or "decoder"."""

    def __init__(self, part: str, text: str) -> None:
        self.part = part
        super().__init__(text)


def card_name(device: str) -> str:
    """Return the name of the card behind a torch device, such as "NVIDIA GeForce GTX 1660"; else the device itself."""
    if not device.startswith("cuda"):
        return device
    import torch

    return torch.cuda.get_device_name(device)


def wider(precision: str, device: str) -> str | None:
    """Return the precision to try where `precision` went wrong; None after the last."""
    if precision == FLOAT32:
        return None
    if precision == BFLOAT16 or not device.startswith("cuda"):
        return FLOAT32
    import torch

    return BFLOAT16 if torch.cuda.get_device_capability(device) >= BFLOAT16_CAPABILITY else FLOAT32


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
