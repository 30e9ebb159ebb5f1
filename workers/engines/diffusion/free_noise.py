"""FreeNoise: windows that slide over clips longer than what a motion adapter sees at once."""

from collections.abc import Iterator
from typing import Any


def set_free_noise(pipeline: Any, window: tuple[int, int] | None) -> None:
    """Enable FreeNoise with `window` (context length, context stride), or disable it with None.

    diffusers creates new blocks and copies the weights, which fails once a LoRA is loaded; disabling fails on adapters
    without a middle block. Here, the FreeNoise blocks share the original layers, LoRAs included, so switching is free,
    bit-exact, and possible in any order.
    """
    for motion in _motion_transformers(pipeline.unet):
        for index, block in enumerate(motion.transformer_blocks):
            plain = getattr(block, "_plain", (block,))[0]
            motion.transformer_blocks[index] = _free_noise_block(plain) if window else plain
    if window:
        pipeline.enable_free_noise(context_length=window[0], context_stride=window[1])
    else:
        pipeline._free_noise_context_length = None


def _motion_transformers(unet: Any) -> Iterator[Any]:
    for block in (*unet.down_blocks, unet.mid_block, *unet.up_blocks):
        yield from getattr(block, "motion_modules", None) or ()


def _free_noise_block(plain: Any) -> Any:
    """Return a `FreeNoiseTransformerBlock` that wraps and remembers `plain`, a `BasicTransformerBlock`."""
    import torch
    from diffusers.models.attention import FreeNoiseTransformerBlock

    names = (
        "dim", "num_attention_heads", "attention_head_dim", "dropout", "cross_attention_dim", "activation_fn",
        "attention_bias", "only_cross_attention", "double_self_attention", "positional_embeddings",
        "num_positional_embeddings",
    )  # fmt: skip
    with torch.device("meta"):
        block = FreeNoiseTransformerBlock(**{name: getattr(plain, name) for name in names})
    for name, layer in plain.named_children():
        setattr(block, name, layer)
    block._plain = (plain,)  # in a tuple, so that torch does not register it as a submodule
    return block.eval()
