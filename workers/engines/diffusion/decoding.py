"""Frames from latents, a few at a time."""

from collections.abc import Callable
from typing import Any

import numpy as np

from workers.engines.precision import DECODER, NotFinite


def decode(vae: Any, latents: Any, device: str, at_once: int, report: Callable[[int], None]) -> np.ndarray:
    """Return uint8 `[F, H, W, 3]` from scaled latents `[1, C, F, h, w]` on the CPU.

    Args:
        vae: a diffusers `AutoencoderKL`, which computes on `device`.
        at_once: frames per batch.
        report: called as `report(batches done)` after every batch.

    Raises:
        NotFinite: the decoder returned NaN or infinity.
    """
    import torch

    frames = (latents[0] / vae.config.scaling_factor).movedim(1, 0)
    decoded: np.ndarray | None = None  # in one piece: joining pieces would hold the whole clip twice
    place = 0
    with torch.no_grad():
        for index, batch in enumerate(frames.split(at_once)):
            pixels = vae.decode(batch.to(device=device, dtype=vae.dtype)).sample
            if not torch.isfinite(pixels).all():
                raise NotFinite(DECODER, f"the frames are no numbers ({vae.dtype})")
            rgb = ((pixels.float() / 2 + 0.5).clamp(0, 1) * 255).round().to(torch.uint8)
            pictures = rgb.movedim(1, -1).cpu().numpy()
            if decoded is None:
                decoded = np.empty((len(frames), *pictures.shape[1:]), np.uint8)
            decoded[place : place + len(pictures)] = pictures
            place += len(pictures)
            report(index + 1)
    if decoded is None:
        raise ValueError("a clip has no frames")
    return decoded
