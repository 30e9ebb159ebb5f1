"""Writes diffusers folders as the single files that people share: the weights under Stable Diffusion's own names."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

UNET, VAE, TEXT = "model.diffusion_model.", "first_stage_model.", "cond_stage_model.transformer.text_model."

_UNET_ENDS = {
    "time_embedding.linear_1": "time_embed.0",
    "time_embedding.linear_2": "time_embed.2",
    "conv_in": "input_blocks.0.0",
    "conv_norm_out": "out.0",
    "conv_out": "out.2",
}
_RESNET = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "time_emb_proj": "emb_layers.1",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "conv_shortcut": "skip_connection",
}
_ATTENTION = {
    **{old: new for new, old in (("norm", "group_norm"), ("q", "to_q"), ("k", "to_k"), ("v", "to_v"))},
    "query": "q",
    "key": "k",
    "value": "v",
    "to_out.0": "proj_out",
    "proj_attn": "proj_out",
}


def write_single_file(
    path: Path, base: Path, *, dtype: Any = None, vae: bool = True, metadata: Mapping[str, str] | None = None
) -> Path:
    """Write the model in the folder `base` as one file; its numbers in `dtype`, by default as they are."""
    from safetensors.torch import save_file

    weights = {UNET + name: tensor for name, tensor in unet_weights(base / "unet")}
    weights |= {TEXT + name.removeprefix("text_model."): tensor for name, tensor in _read(base / "text_encoder")}
    if vae:
        weights |= {VAE + name: tensor for name, tensor in vae_weights(base / "vae")}
    numbers = {name: tensor.to(dtype or tensor.dtype).contiguous() for name, tensor in weights.items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: numbers[name].clone() for name in numbers}, path, dict(metadata or {}))
    return path


def write_vae_file(path: Path, folder: Path, prefix: str = "") -> Path:
    """Write the VAE in `folder` as one file, as people share VAEs: without a prefix."""
    from safetensors.torch import save_file

    save_file({prefix + name: tensor.contiguous().clone() for name, tensor in vae_weights(folder)}, path)
    return path


def unet_weights(folder: Path) -> Iterator[tuple[str, Any]]:
    """Yield the weights of a UNet under Stable Diffusion's names."""
    config = json.loads((folder / "config.json").read_text())
    layers, blocks = config["layers_per_block"], len(config["block_out_channels"])
    with_text = [kind.startswith("CrossAttn") for kind in config["up_block_types"]]
    for name, tensor in _read(folder):
        head, _, end = name.rpartition(".")
        if head in _UNET_ENDS:
            yield f"{_UNET_ENDS[head]}.{end}", tensor
            continue
        parts = name.split(".")
        if parts[0] == "mid_block":
            place = {"resnets": int(parts[2]) * 2, "attentions": 1}[parts[1]]
            yield f"middle_block.{place}.{_inner(parts[1], '.'.join(parts[3:]))}", tensor
            continue
        side, block, kind, layer, rest = parts[0], int(parts[1]), parts[2], int(parts[3]), ".".join(parts[4:])
        assert block < blocks
        if side == "down_blocks":
            place = 1 + block * (layers + 1) + (layers if kind == "downsamplers" else layer)
            within = {"resnets": "0", "attentions": "1", "downsamplers": "0.op"}[kind]
            yield f"input_blocks.{place}.{within}.{_inner(kind, rest)}", tensor
        else:
            place = block * (layers + 1) + (layers if kind == "upsamplers" else layer)
            within = {"resnets": "0", "attentions": "1", "upsamplers": "2.conv" if with_text[block] else "1.conv"}[kind]
            yield f"output_blocks.{place}.{within}.{_inner(kind, rest)}", tensor


def vae_weights(folder: Path) -> Iterator[tuple[str, Any]]:
    """Yield the weights of a VAE under Stable Diffusion's names; the matrices of its attention are convolutions."""
    blocks = len(json.loads((folder / "config.json").read_text())["block_out_channels"])
    for name, tensor in _read(folder):
        side, *parts = name.split(".")
        if parts[0] == "conv_norm_out":
            yield f"{side}.norm_out.{parts[1]}", tensor
        elif parts[0] == "mid_block" and parts[1] == "attentions":
            inner = ".".join(parts[3:-1])
            shaped = tensor[:, :, None, None] if tensor.ndim == 2 else tensor
            yield f"{side}.mid.attn_1.{_ATTENTION[inner]}.{parts[-1]}", shaped
        elif parts[0] == "mid_block":
            yield f"{side}.mid.block_{int(parts[2]) + 1}.{_of_vae(parts[3:])}", tensor
        elif parts[0] == "down_blocks":
            yield f"{side}.down.{parts[1]}.{_level(parts)}", tensor
        elif parts[0] == "up_blocks":
            yield f"{side}.up.{blocks - 1 - int(parts[1])}.{_level(parts)}", tensor
        else:
            yield name, tensor


def _level(parts: list[str]) -> str:
    if parts[2] == "resnets":
        return f"block.{parts[3]}.{_of_vae(parts[4:])}"
    return f"{parts[2].removesuffix('rs')}.{'.'.join(parts[4:])}"


def _of_vae(parts: list[str]) -> str:
    return ".".join(parts).replace("conv_shortcut", "nin_shortcut")


def _inner(kind: str, rest: str) -> str:
    if kind == "resnets":
        head, _, end = rest.rpartition(".")
        return f"{_RESNET[head]}.{end}"
    return rest.removeprefix("conv.") if kind in ("downsamplers", "upsamplers") else rest


def _read(folder: Path) -> Iterator[tuple[str, Any]]:
    from safetensors.torch import load_file

    (file,) = folder.glob("*.safetensors")
    yield from load_file(file).items()


def in_names_of_animatediff(weights: Mapping[str, Any]) -> dict[str, Any]:
    """Return a motion adapter's weights under the names of AnimateDiff's own code, which keeps positions twice."""
    inner = {
        ".norm1.": ".norms.0.",
        ".norm2.": ".norms.1.",
        ".norm3.": ".ff_norm.",
        ".attn1.": ".attention_blocks.0.",
        ".attn2.": ".attention_blocks.1.",
    }
    found = {}
    for name, tensor in weights.items():
        block, _, rest = name.partition(".motion_modules.")
        index, _, rest = rest.partition(".")
        for new, old in inner.items():
            rest = rest.replace(new, old)
        names = [rest.replace(".pos_embed.", f".attention_blocks.{number}.pos_encoder.") for number in (0, 1)]
        for one in dict.fromkeys(names):
            found[f"{block}.motion_modules.{index}.temporal_transformer.{one}"] = tensor.clone()
    return found


def write_kohya_lora(path: Path, base: Path, *, with_text: bool = False, rank: int = 2) -> Path:
    """Write a LoRA on every attention of the model in the folder `base`, as kohya's scripts do."""
    import torch
    from safetensors.torch import save_file

    networks = {"lora_unet_": base / "unet"} | ({"lora_te_text_model_": base / "text_encoder"} if with_text else {})
    generator, weights = torch.Generator().manual_seed(3), {}
    for prefix, folder in networks.items():
        for name, tensor in _read(folder):
            if tensor.ndim == 2 and (("attn" in name and ".to_" in name) or "_proj.weight" in name):
                stem = prefix + name.removeprefix("text_model.").removesuffix(".weight").replace(".", "_")
                out, inputs = tensor.shape
                weights[f"{stem}.lora_down.weight"] = torch.randn(rank, inputs, generator=generator) / inputs**0.5
                weights[f"{stem}.lora_up.weight"] = torch.randn(out, rank, generator=generator) * 0.1
                weights[f"{stem}.alpha"] = torch.tensor(float(rank))
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(weights, path, {"ss_output_name": path.stem})
    return path
