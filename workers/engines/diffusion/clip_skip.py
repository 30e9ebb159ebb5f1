"""CLIP skip: leaving out the last layers of the text encoder, as some checkpoints were trained."""

from typing import Any


def skip_last_layers(text_encoder: Any, clip_skip: int) -> None:
    """Let a `CLIPTextModel` end `clip_skip - 1` layers early, followed by its usual last normalization.

    The layers stay where they are, so that LoRAs for all of them still fit.

    Args:
        clip_skip: as the field counts: 1 leaves out nothing, 2 the last layer.

    Raises:
        ValueError: the encoder does not have that many layers.
    """
    layers = text_encoder.encoder.layers
    if not 1 <= clip_skip <= len(layers):
        raise ValueError(f"clip_skip {clip_skip} is not between 1 and the {len(layers)} layers of the text encoder")
    for layer in layers[len(layers) - (clip_skip - 1) :]:
        layer.forward = _pass_on


def _pass_on(hidden_states: Any, *_others: Any, **_options: Any) -> Any:
    return hidden_states
