"""Model files as people share them, by the names and shapes of their weights, which are all zero."""

import json
import math
from collections.abc import Mapping
from pathlib import Path

Shapes = Mapping[str, tuple[int, ...]]

UNET, VAE, TEXT = "model.diffusion_model.", "first_stage_model.", "cond_stage_model.transformer.text_model."
CROSS = "transformer_blocks.0.attn2.to_k.weight"


def header(shapes: Shapes, metadata: Mapping[str, str] | None = None, *, size: int = 2) -> tuple[bytes, int]:
    """Return the beginning of a safetensors file, and how many bytes of weights follow."""
    content, end = {}, 0
    for name, shape in shapes.items():
        start, end = end, end + size * math.prod(shape)
        content[name] = {"dtype": "F16" if size == 2 else "F32", "shape": list(shape), "data_offsets": [start, end]}
    text = json.dumps({**({"__metadata__": dict(metadata)} if metadata else {}), **content}).encode()
    return len(text).to_bytes(8, "little") + text, end


def write(path: Path, shapes: Shapes, metadata: Mapping[str, str] | None = None, *, size: int = 2) -> Path:
    """Write a safetensors file; the weights take no room on the disk."""
    path.parent.mkdir(parents=True, exist_ok=True)
    start, length = header(shapes, metadata, size=size)
    with path.open("wb") as file:
        file.write(start)
        file.truncate(len(start) + length)
    return path


def checkpoint(text_width: int = 768, channels: int = 4, *, vae: bool = True, text: bool = True) -> dict:
    """Return some of the weights of a checkpoint."""
    shapes = {
        f"{UNET}input_blocks.0.0.weight": (320, channels, 3, 3),
        f"{UNET}input_blocks.1.1.{CROSS}": (8, text_width),
    }
    shapes |= {f"{TEXT}final_layer_norm.weight": (text_width,)} if text else {}
    return shapes | ({f"{VAE}decoder.conv_in.weight": (8, 4, 3, 3)} if vae else {})


def kohya(text_width: int = 768, *, with_text: bool = False, rank: int = 4) -> dict:
    """Return some of the weights of a LoRA as kohya's scripts write them."""
    names = ["lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_k"]
    names += ["lora_te_text_model_encoder_layers_0_mlp_fc1"] if with_text else []
    shapes = {}
    for name in names:
        shapes |= {f"{name}.lora_down.weight": (rank, text_width), f"{name}.lora_up.weight": (8, rank)}
        shapes[f"{name}.alpha"] = ()
    return shapes


def motion(widths: tuple[int, ...] = (320, 640, 1280, 1280), frames: int = 32, *, original: bool = False) -> dict:
    """Return some of the weights of motion modules, under diffusers' names or those of the original code."""
    inside = ".temporal_transformer" if original else ""
    positions = "attention_blocks.0.pos_encoder.pe" if original else "pos_embed.pe"
    shapes = {}
    for block, width in enumerate(widths):
        stem = f"down_blocks.{block}.motion_modules.0{inside}"
        shapes |= {f"{stem}.norm.weight": (width,), f"{stem}.transformer_blocks.0.{positions}": (1, frames, width)}
    return shapes


def vae(channels: int = 4, prefix: str = "") -> dict:
    """Return some of the weights of a VAE."""
    return {f"{prefix}decoder.conv_in.weight": (8, channels, 3, 3), f"{prefix}encoder.conv_out.bias": (8,)}
