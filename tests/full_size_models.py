"""Randomly initialised models of the published architectures, in the layout of the published repositories.

The configurations are those of the published files (Stable Diffusion 1.5: unet, vae, text_encoder, scheduler;
guoyww's motion adapters; ByteDance's and wangfuyun's bare files). `Widths` scales the channels, so that the same files
can be made small enough for the CPU; every other field keeps its published value. Weights keep their published names
where current libraries would write others: the VAE's attention and the text encoder's prefix.
"""

import json
import math
from collections import Counter
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

CLIP_VOCABULARY = 49408


@dataclass(frozen=True)
class Widths:
    """Channels of every network; `FULL` has the published ones. UNet and VAE widths are multiples of 32 (groups)."""

    unet: tuple[int, ...] = (320, 640, 1280, 1280)
    vae: tuple[int, ...] = (128, 256, 512, 512)
    text: int = 768
    text_layers: int = 12
    text_heads: int = 12


FULL = Widths()
SMALL = Widths(unet=(32, 64, 64, 64), vae=(32, 32, 32, 32), text=32, text_layers=2, text_heads=4)


def unet_config(widths: Widths) -> dict:
    """Return unet/config.json of Stable Diffusion 1.5."""
    return {
        "_class_name": "UNet2DConditionModel",
        "_diffusers_version": "0.6.0",
        "act_fn": "silu",
        "attention_head_dim": 8,
        "block_out_channels": list(widths.unet),
        "center_input_sample": False,
        "cross_attention_dim": widths.text,
        "down_block_types": ["CrossAttnDownBlock2D"] * 3 + ["DownBlock2D"],
        "downsample_padding": 1,
        "flip_sin_to_cos": True,
        "freq_shift": 0,
        "in_channels": 4,
        "layers_per_block": 2,
        "mid_block_scale_factor": 1,
        "norm_eps": 1e-05,
        "norm_num_groups": 32,
        "out_channels": 4,
        "sample_size": 64,
        "up_block_types": ["UpBlock2D"] + ["CrossAttnUpBlock2D"] * 3,
    }


def vae_config(widths: Widths) -> dict:
    """Return vae/config.json of Stable Diffusion 1.5; sd-vae-ft-mse's differs only in its sample_size of 256."""
    return {
        "_class_name": "AutoencoderKL",
        "_diffusers_version": "0.6.0",
        "act_fn": "silu",
        "block_out_channels": list(widths.vae),
        "down_block_types": ["DownEncoderBlock2D"] * 4,
        "in_channels": 3,
        "latent_channels": 4,
        "layers_per_block": 2,
        "norm_num_groups": 32,
        "out_channels": 3,
        "sample_size": 512,
        "up_block_types": ["UpDecoderBlock2D"] * 4,
    }


def text_config(widths: Widths) -> dict:
    """Return text_encoder/config.json of Stable Diffusion 1.5 (CLIP ViT-L/14's text encoder)."""
    return {
        "architectures": ["CLIPTextModel"],
        "attention_dropout": 0.0,
        "bos_token_id": 0,
        "dropout": 0.0,
        "eos_token_id": 2,
        "hidden_act": "quick_gelu",
        "hidden_size": widths.text,
        "initializer_factor": 1.0,
        "initializer_range": 0.02,
        "intermediate_size": widths.text * 4,
        "layer_norm_eps": 1e-05,
        "max_position_embeddings": 77,
        "model_type": "clip_text_model",
        "num_attention_heads": widths.text_heads,
        "num_hidden_layers": widths.text_layers,
        "pad_token_id": 1,
        "projection_dim": widths.text,
        "torch_dtype": "float32",
        "vocab_size": CLIP_VOCABULARY,
    }


# Stable Diffusion 1.5, scheduler/scheduler_config.json.
SCHEDULER_CONFIG = {
    "_class_name": "PNDMScheduler",
    "_diffusers_version": "0.6.0",
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "beta_start": 0.00085,
    "num_train_timesteps": 1000,
    "set_alpha_to_one": False,
    "skip_prk_steps": True,
    "steps_offset": 1,
    "trained_betas": None,
    "clip_sample": False,
}


def adapter_config(widths: Widths, *, mid_block: bool = True) -> dict:
    """Return a motion adapter's config.json; v1-5-3 is the one without a middle block."""
    return {
        "_class_name": "MotionAdapter",
        "_diffusers_version": "0.23.0.dev0",
        "block_out_channels": list(widths.unet),
        "motion_layers_per_block": 2,
        "motion_max_seq_length": 32,
        "motion_mid_block_layers_per_block": 1,
        "motion_norm_num_groups": 32,
        "motion_num_attention_heads": 8,
        "use_motion_mid_block": mid_block,
    }


def random_weights(model, seed: int, dtype) -> dict:
    """Return a state dict for `model` (may be on the meta device): variance-preserving normal, norms 1, biases 0."""
    import torch
    from diffusers.models.embeddings import SinusoidalPositionalEmbedding

    generator = torch.Generator().manual_seed(seed)
    weights = {}
    for name, tensor in model.state_dict().items():
        if name.endswith("pos_embed.pe"):
            weights[name] = SinusoidalPositionalEmbedding(tensor.shape[2], tensor.shape[1]).pe.to(dtype)
        elif tensor.ndim > 1:
            spread = 1 / math.sqrt(tensor[0].numel())
            weights[name] = torch.empty(tensor.shape, dtype=dtype).normal_(0, spread, generator=generator)
        else:
            weights[name] = torch.full(tensor.shape, float(name.endswith("weight")), dtype=dtype)
    return weights


def _write(folder: Path, config: dict, weights: dict, name: str) -> None:
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config, indent=2))
    save_file(weights, folder / name, metadata={"format": "pt"})


def _on_meta(cls: type, config: dict):
    import torch

    with torch.device("meta"):
        return cls.from_config(config)


def _name(stem: str, variant: str | None) -> str:
    return f"{stem}.{variant}.safetensors" if variant else f"{stem}.safetensors"


def _dtype(variant: str | None):
    import torch

    return torch.float16 if variant == "fp16" else torch.float32


def write_vae(folder: Path, widths: Widths, *, variant: str | None = None, seed: int = 2, **changes) -> None:
    """Write a VAE folder with the published names of its attention weights (query, key, value, proj_attn)."""
    from diffusers import AutoencoderKL

    config = vae_config(widths) | changes
    weights = random_weights(_on_meta(AutoencoderKL, config), seed, _dtype(variant))
    old = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
    for new, name in old.items():
        weights = {key.replace(f".{new}.", f".{name}."): value for key, value in weights.items()}
    _write(folder, config, weights, _name("diffusion_pytorch_model", variant))


def write_text_encoder(folder: Path, widths: Widths, *, variant: str | None = None, seed: int = 3) -> None:
    """Write a CLIP text encoder's folder, with the published prefix and the position IDs found in older files."""
    import torch
    from transformers import CLIPTextConfig, CLIPTextModel

    config = text_config(widths)
    with torch.device("meta"):
        model = CLIPTextModel(CLIPTextConfig(**config))
    weights = random_weights(model, seed, _dtype(variant))
    weights = {f"text_model.{name.removeprefix('text_model.')}": value for name, value in weights.items()}
    weights["text_model.embeddings.position_ids"] = torch.arange(77)[None]
    _write(folder, config, weights, _name("model", variant))


def write_tokenizer(folder: Path, text: str = "a red heart rises slowly over the quiet sea at sunset") -> None:
    """Write CLIP's byte-level BPE tokenizer (vocab.json, merges.txt) with merges learnt from `text`; IDs as in CLIP."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    spare = [byte for byte in range(256) if byte not in printable]
    units = [chr(byte) for byte in printable] + [chr(256 + index) for index in range(len(spare))]
    words = [[*word[:-1], f"{word[-1]}</w>"] for word in text.split()]
    merges = []
    while pairs := Counter(pair for word in words for pair in pairwise(word)):
        first, second = max(pairs, key=lambda pair: (pairs[pair], pair))
        merges.append((first, second))
        words = [_merge(word, first, second) for word in words]
    vocabulary = [*units, *(f"{unit}</w>" for unit in units), *dict.fromkeys(a + b for a, b in merges)]
    ids = {token: index for index, token in enumerate(vocabulary)}
    ids |= {"<|startoftext|>": CLIP_VOCABULARY - 2, "<|endoftext|>": CLIP_VOCABULARY - 1}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.json").write_text(json.dumps(ids))
    (folder / "merges.txt").write_text("#version: 0.2\n" + "".join(f"{a} {b}\n" for a, b in merges))
    (folder / "tokenizer_config.json").write_text(
        json.dumps({"model_max_length": 77, "pad_token": "<|endoftext|>", "tokenizer_class": "CLIPTokenizer"})
    )
    (folder / "special_tokens_map.json").write_text(
        json.dumps({"bos_token": "<|startoftext|>", "eos_token": "<|endoftext|>", "unk_token": "<|endoftext|>"})
    )


def _merge(word: list[str], first: str, second: str) -> list[str]:
    merged: list[str] = []
    for unit in word:
        if merged and (merged[-1], unit) == (first, second):
            merged[-1] = first + second
        else:
            merged.append(unit)
    return merged


def write_base(folder: Path, widths: Widths, *, variant: str | None = None, vae: bool = True, seed: int = 1) -> Path:
    """Write a Stable Diffusion 1.5 folder as StableDiffusionPipeline.save_pretrained does, without a safety checker."""
    from diffusers import UNet2DConditionModel

    config = unet_config(widths)
    weights = random_weights(_on_meta(UNet2DConditionModel, config), seed, _dtype(variant))
    _write(folder / "unet", config, weights, _name("diffusion_pytorch_model", variant))
    if vae:
        write_vae(folder / "vae", widths, variant=variant)
    write_text_encoder(folder / "text_encoder", widths, variant=variant)
    write_tokenizer(folder / "tokenizer")
    (folder / "scheduler").mkdir()
    (folder / "scheduler" / "scheduler_config.json").write_text(json.dumps(SCHEDULER_CONFIG))
    parts = {"scheduler": "PNDMScheduler", "unet": "UNet2DConditionModel", "vae": "AutoencoderKL"}
    index = {"_class_name": "StableDiffusionPipeline", "_diffusers_version": "0.6.0"}
    index |= {name: ["diffusers", cls] for name, cls in parts.items()}
    index |= {"text_encoder": ["transformers", "CLIPTextModel"], "tokenizer": ["transformers", "CLIPTokenizer"]}
    (folder / "model_index.json").write_text(json.dumps(index))
    (folder / "feature_extractor").mkdir()
    (folder / "feature_extractor" / "preprocessor_config.json").write_text(json.dumps({"crop_size": 224, "size": 224}))
    return folder


def write_adapter(
    folder: Path, widths: Widths, *, variant: str | None = None, mid_block: bool = True, seed: int = 4
) -> Path:
    """Write a motion adapter's folder."""
    from diffusers import MotionAdapter

    config = adapter_config(widths, mid_block=mid_block)
    weights = random_weights(_on_meta(MotionAdapter, config), seed, _dtype(variant))
    _write(folder, config, weights, _name("diffusion_pytorch_model", variant))
    return folder


def write_bare_adapter(path: Path, widths: Widths, seed: int = 5) -> Path:
    """Write a motion adapter as AnimateDiff-Lightning publishes it: one file, half precision, no config."""
    import torch
    from diffusers import MotionAdapter
    from safetensors.torch import save_file

    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(random_weights(_on_meta(MotionAdapter, adapter_config(widths)), seed, torch.float16), path)
    return path


def write_motion_lora(path: Path, widths: Widths, *, mid_block: bool = True, seed: int = 6, rank: int = 4) -> Path:
    """Write a motion LoRA as guoyww publishes them: old diffusers names, on the attention of every motion module."""
    import torch
    from diffusers import MotionAdapter
    from safetensors.torch import save_file

    generator = torch.Generator().manual_seed(seed)
    weights = {}
    for name, tensor in _on_meta(MotionAdapter, adapter_config(widths, mid_block=mid_block)).state_dict().items():
        for layer in ("to_q", "to_k", "to_v", "to_out.0"):
            if name.endswith(f".{layer}.weight"):
                stem = f"unet.{name.removesuffix(f'.{layer}.weight')}.processor.{layer.removesuffix('.0')}_lora"
                out, inputs = tensor.shape
                weights[f"{stem}.down.weight"] = torch.randn(rank, inputs, generator=generator) / math.sqrt(inputs)
                weights[f"{stem}.up.weight"] = torch.randn(out, rank, generator=generator) / math.sqrt(rank)
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(weights, path)
    return path


def write_spatial_lora(path: Path, widths: Widths, *, seed: int = 7, rank: int = 4) -> Path:
    """Write a LoRA on the base's attention in kohya's format with alphas, as LCM-LoRAs for SD 1.5 are published."""
    import torch
    from diffusers import UNet2DConditionModel
    from safetensors.torch import save_file

    generator = torch.Generator().manual_seed(seed)
    weights = {}
    for name, tensor in _on_meta(UNet2DConditionModel, unet_config(widths)).state_dict().items():
        if name.endswith((".to_q.weight", ".to_k.weight", ".to_v.weight", ".to_out.0.weight")):
            stem = f"lora_unet_{name.removesuffix('.weight').replace('.', '_')}"
            out, inputs = tensor.shape
            weights[f"{stem}.lora_down.weight"] = torch.randn(rank, inputs, generator=generator) / math.sqrt(inputs)
            weights[f"{stem}.lora_up.weight"] = torch.randn(out, rank, generator=generator) / math.sqrt(rank)
            weights[f"{stem}.alpha"] = torch.tensor(float(rank))
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(weights, path)
    return path
