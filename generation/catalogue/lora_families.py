"""Which network a LoRA was made for, and how it is stored, by the names and shapes of its weights. Pure."""

import re
from collections.abc import Iterable, Mapping

Shapes = Mapping[str, tuple[int, ...]]

# Keys that only one family of networks has, in the layouts of diffusers and kohya ("." and "_" between the parts). The
# first match counts: HunyuanVideo shares Flux's names, but has more blocks and calls its modulation differently.
FAMILIES = (
    (r"mod(ulation)?_linear\b|double_blocks[._]19[._]|single_transformer_blocks[._]38[._]", "HunyuanVideo"),
    (r"(double|single)_blocks[._]|single_transformer_blocks[._]", "Flux"),
    (r"joint_(transformer_)?blocks[._]", "Stable Diffusion 3"),
    (r"transformer_blocks[._]\d+[._](img|txt)_mlp", "Qwen-Image"),
    (r"transformer_blocks[._]\d+[._]attn[._]add_k_proj", "Stable Diffusion 3"),
    (r"\bblocks[._]\d+[._](self|cross)_attn|^lora_unet_blocks_\d+_(self|cross)_attn", "Wan"),
    (r"^(lora_te2_|text_encoder_2\.)", "SDXL"),
    # Blocks of Stable Diffusion 1.x have a single transformer block each, those of SDXL up to ten.
    (r"(attentions|(input|output)_blocks|middle_block)[._].*transformer_blocks[._][1-9]", "SDXL"),
)
# Widths of the text embeddings that cross-attention reads.
_TEXT_WIDTHS = {768: "Stable Diffusion 1.5", 1024: "Stable Diffusion 2", 2048: "SDXL"}
# Other decompositions than LoRA's, which diffusers leaves out or does not read.
LAYOUTS = {"hada_w": "LoHa", "lokr_w": "LoKr", "oft_": "OFT", "dora_scale": "DoRA", "lora_magnitude": "DoRA",
            "lora_mid": "LoCon, Tucker decomposition"}  # fmt: skip

_DOWN = re.compile(
    r"[._](lora_down|lora_A|lora\.down|lora_linear_layer\.down)(\.default)?\.weight$|_lora\.down\.weight$"
)


def is_lora(names: Iterable[str]) -> bool:
    """Return whether weights of these names are a LoRA's."""
    return any(_DOWN.search(name) for name in names)


def other_family(names: Iterable[str]) -> str | None:
    """Return the network that alone has weights of these names, checkpoints and LoRAs alike; None if it may be ours."""
    known = tuple(names)
    found = (name for pattern, name in FAMILIES if any(re.search(pattern, key) for key in known))
    return next(found, None)


def text_widths(shapes: Shapes) -> set[int]:
    """Return the widths of the text embeddings that the LoRA's modules read."""
    return {shapes[key][1] for key in shapes if _reads_text(key) and len(shapes[key]) > 1}


def made_for(shapes: Shapes, text_width: int) -> str | None:
    """Return the name of the network that a LoRA was made for, if it is recognisably not ours.

    Args:
        text_width: width of the text embeddings that our network reads.
    """
    if name := other_family(shapes):
        return name
    widths = text_widths(shapes)
    return None if text_width in widths else next((_TEXT_WIDTHS[width] for width in widths & set(_TEXT_WIDTHS)), None)


def _reads_text(key: str) -> bool:
    """Return whether `key` is the input side of a cross-attention. Motion modules attend to frames only."""
    return bool(_DOWN.search(key)) and "attn2" in key and "to_k" in key and "motion_modules" not in key
