"""The memory mode that a clip begins with: chosen by what it needs and what the card has, before the first kernel."""

import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from generation.catalogue.card_memory import CONTEXT, choose_mode
from workers.engines.memory import rung_index
from workers.engines.upscale_network import free_bytes

logger = logging.getLogger(__name__)

Needs = Callable[[int, int, int, bool], Mapping[str, int]]
"""Called as `needs(width, height, frames, guided)`: bytes by memory mode, the fastest first; empty if not known."""


def first_rung(needs: Mapping[str, int], modules: Iterable[Any], device: str) -> int:
    """Return the index of the rung to begin with; 0, the top, on the CPU or if nothing is known.

    Args:
        needs: bytes of a whole card by memory mode.
        modules: the engine's own networks: what they hold of the card now is part of the need.
    """
    import torch

    if not needs or not device.startswith("cuda"):
        return 0
    tensors = (tensor for module in modules for tensor in (*module.parameters(), *module.buffers()))
    own = sum(tensor.nbytes for tensor in tensors if tensor.device.type == "cuda")
    room = free_bytes(torch.device(device)) + own + CONTEXT  # torch has asked the driver, so the context is there
    mode = choose_mode(needs, room)
    logger.info("%.1f GB of the card can be used: memory mode %s", room / 1e9, mode)
    return rung_index(mode or "auto")
