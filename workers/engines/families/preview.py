"""Live previews of video latents, from the same linear map as those of images (workers/engines/preview.py)."""

import logging
from typing import Any

import numpy as np

from workers.engines.device_errors import is_out_of_memory
from workers.engines.families.layout import as_video, spatial_factor, statistics
from workers.engines.preview import LatentPreview, draw_samples

logger = logging.getLogger(__name__)


class VideoPreview(LatentPreview):
    """The map fitted to a video VAE, on clips of one frame: later latents stand for several frames of much the same.

    Args:
        pipeline: whose `vae` it is.
        device: where the VAE computes.
    """

    def __init__(self, pipeline: Any, device: str) -> None:
        self._pipeline = pipeline
        vae = pipeline.vae
        factor = spatial_factor(pipeline)
        super().__init__(vae, device, factor=factor, samples=_samples(vae, factor, device))

    def of_clip(self, latents: Any, width: int, height: int, frames: int) -> np.ndarray:
        """Return uint8 `[f, h, w, 3]` RGB, with one frame per latent frame."""
        return self(as_video(latents, self._pipeline, width, height, frames))


def fitted(pipeline: Any, device: str) -> VideoPreview | None:
    """Return the preview of a pipeline; None, with a line in the log, if its VAE is too unlike the others.

    Raises what running out of memory raises.
    """
    try:
        return VideoPreview(pipeline, device)
    except Exception as error:  # a clip without preview is better than none
        if is_out_of_memory(error):
            raise
        logger.warning("%s has no preview: %s", type(pipeline).__name__, error, exc_info=error)
        return None


def _samples(vae: Any, factor: int, device: Any) -> tuple[Any, Any]:
    """Return scaled latents, float32 `[N, C, c, c]`, and the decoded images, `[N, 3, side, side]` in -1..1."""
    import torch

    mean, deviation, scale = statistics(vae)
    options = (torch.tensor([0.0], device=device, dtype=vae.dtype),) if vae.config.get("timestep_conditioning") else ()
    latents, pictures = [], []
    with torch.no_grad():
        for image in draw_samples(factor).split(1):
            encoded = vae.encode(image[:, :, None].to(device=device, dtype=vae.dtype)).latent_dist.mode()
            decoded = vae.decode(encoded, *options, return_dict=False)[0]
            latents.append(((encoded.float().cpu() - mean) * scale / deviation)[:, :, 0])
            pictures.append(decoded.float().cpu()[:, :, 0])
    return torch.cat(latents), torch.cat(pictures).clamp(-1, 1)
