"""Motion modules under the names of AnimateDiff's own code, as its authors published them."""

from collections.abc import Mapping
from typing import Any

_OWN_CODE = ".temporal_transformer."
# Written by training on several cards.
_PARALLEL = "module."
_POSITIONS = ".attention_blocks.0.pos_encoder.pe"


def in_names_of_diffusers(weights: Mapping[str, Any]) -> dict[str, Any]:
    """Return the weights of motion modules under diffusers' names, which some files have already.

    diffusers keeps the positions, the same for both attentions of a block, once, and its own conversion drops them.
    """
    plain = {name.removeprefix(_PARALLEL): tensor for name, tensor in weights.items()}
    if not any(_OWN_CODE in name for name in plain):
        return plain
    from diffusers.loaders.single_file_utils import convert_animatediff_checkpoint_to_diffusers

    positions = {
        name.replace(_OWN_CODE, ".").replace(_POSITIONS, ".pos_embed.pe"): tensor
        for name, tensor in plain.items()
        if name.endswith(_POSITIONS)
    }
    return {**convert_animatediff_checkpoint_to_diffusers(plain), **positions}
