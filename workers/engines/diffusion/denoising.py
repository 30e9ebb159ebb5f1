"""The latents of a clip, step by step."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from workers.engines.diffusion.clean_estimate import CleanEstimate
from workers.engines.diffusion.clip import Clip
from workers.engines.precision import NotFinite
from workers.engines.preview import LatentPreview


def denoise(
    pipeline: Any, clip: Clip, scheduler: Any, preview: LatentPreview, report: Callable[[int, np.ndarray | None], None]
) -> Any:
    """Return the clip's latents `[1, C, F, h, w]`; call `report(steps done, preview)` after every step.

    Raises:
        NotFinite: the network returned NaN or infinity; at the first step that does.
    """
    import torch

    estimate = CleanEstimate(scheduler)
    pipeline.scheduler = scheduler

    def step_end(_pipeline: Any, index: int, _timestep: Any, _tensors: Mapping[str, Any]) -> dict[str, Any]:
        if not torch.isfinite(estimate.latents).all():
            raise NotFinite("network", f"step {index + 1} gave no numbers")
        report(index + 1, preview(estimate.latents))
        return {}

    result = pipeline(
        prompt=clip.prompt,
        negative_prompt=clip.negative_prompt,
        width=clip.width,
        height=clip.height,
        num_frames=clip.frames,
        num_inference_steps=clip.steps,
        guidance_scale=clip.guidance,
        generator=torch.Generator("cpu").manual_seed(clip.seed),
        output_type="latent",
        callback_on_step_end=step_end,
    )
    return result.frames
