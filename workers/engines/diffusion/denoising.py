"""The latents of a clip, step by step."""

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from functools import partial
from typing import Any

from generation.domain.errors import Paused
from workers.engines.base import Preview
from workers.engines.diffusion import checkpoint
from workers.engines.diffusion.clean_estimate import CleanEstimate
from workers.engines.diffusion.clip import Clip
from workers.engines.diffusion.last_step import LastStep
from workers.engines.precision import NETWORK, NotFinite
from workers.engines.preview import LatentPreview


def denoise(
    pipeline: Any,
    clip: Clip,
    scheduler: Any,
    preview: LatentPreview,
    report: Callable[[int, Preview], None],
    facts: Callable[[], Mapping[str, Any]],
) -> Any:
    """Return the clip's latents `[1, C, F, h, w]`; call `report(steps done, preview)` after every step.

    Args:
        facts: returns what a checkpoint of this clip says of it.
            If `clip.checkpoint` is set, denoising continues there.

    Raises:
        NotFinite: the network returned NaN or infinity; at the first step that does.
        Paused: `report` raised it; it takes the clip's checkpoint along.

    If memory runs out, the clip gets a checkpoint of its last whole step.
    """
    import torch

    estimate = CleanEstimate(scheduler)
    pipeline.scheduler = scheduler
    generator = torch.Generator("cpu").manual_seed(clip.seed)
    before = clip.checkpoint.step if clip.checkpoint else 0
    last = LastStep(scheduler, before)

    def step_end(_pipeline: Any, index: int, _timestep: Any, tensors: Mapping[str, Any]) -> dict[str, Any]:
        done = before + index + 1
        if not all(torch.isfinite(each).all() for each in (estimate.latents, tensors["latents"])):
            raise NotFinite(NETWORK, f"step {done} gave no numbers")
        try:
            report(done, partial(preview, estimate.latents))
        except Paused as pause:
            checkpoint.attach(pause, done, tensors["latents"], facts, scheduler, generator)
            raise
        return {}

    rest = checkpoint.continued(pipeline, scheduler, generator, clip.checkpoint) if clip.checkpoint else nullcontext()
    with last.kept(clip, facts, scheduler, generator), rest:
        result = pipeline(
            prompt=clip.prompt,
            negative_prompt=clip.negative_prompt,
            width=clip.width,
            height=clip.height,
            num_frames=clip.frames,
            num_inference_steps=clip.steps,
            guidance_scale=clip.guidance,
            generator=generator,
            output_type="latent",
            callback_on_step_end=step_end,
        )
    return result.frames
