"""Guidance in two passes: the half with the prompt after the one without it, instead of both at once."""

from typing import Any


def guide_in_two_passes(unet: Any) -> None:
    """Let a `UNetMotionModel` compute one clip of a batch after the other, with half the memory for activations.

    The arithmetic is the same; kernels may choose another order of summation for the smaller batch.
    """
    import torch
    from diffusers.models.unets.unet_motion_model import UNetMotionOutput

    whole = type(unet).forward

    def forward(sample: Any, timestep: Any, encoder_hidden_states: Any, **options: Any) -> Any:
        clips = len(sample)
        passes = zip(sample.chunk(clips), encoder_hidden_states.chunk(clips), strict=True)
        made = [whole(unet, one, timestep, encoder_hidden_states=text, **options).sample for one, text in passes]
        return UNetMotionOutput(sample=torch.cat(made))

    unet.forward = forward


def guide_at_once(unet: Any) -> None:
    """Undo `guide_in_two_passes`. Hooks that were added since must be gone: they put back what they found."""
    unet.__dict__.pop("forward", None)
