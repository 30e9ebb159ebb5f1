"""What kind of model file has these weights. Pure: it sees names and shapes only."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from generation.catalogue.lora_families import LAYOUTS, is_lora, made_for, other_family, text_widths
from generation.inbox.headers import Header
from generation.inbox.reasons import Refused


@dataclass(frozen=True, slots=True)
class Family:
    """What tells the networks of a family from others.

    `text_width`: of the text embeddings that cross-attention reads; `channels`: of the latents; `motion_widths`: of the
    motion modules, block by block, if a file of theirs can be loaded without a configuration (those of the tiny world
    have fewer heads and groups than the published ones); `like`: the entry with the settings that suit checkpoints.
    """

    id: str
    text_width: int
    channels: int
    motion_widths: tuple[int, ...]
    like: str
    configuration: str
    adapter: str
    vae: str | None


FAMILIES = (
    Family("sd15", 768, 4, (320, 640, 1280, 1280), "stable-diffusion-v1-5", "sd15-configuration",
           "animatediff-v1-5-2", "sd-vae-ft-mse"),
    Family("tiny", 128, 18, (), "tiny", "tiny", "tiny-motion", None),
)  # fmt: skip
USUAL = FAMILIES[0]
# Families of which only LoRAs are recognised, by the width of what their attention reads.
_WAN = {
    1536: Family("wan2.1-1.3b", 4096, 16, (), "wan2-1-t2v-1-3b", "", "", None),
    3072: Family("wan2.2-5b", 4096, 48, (), "wan2-2-ti2v-5b", "", "", None),
}
_WAN_READS = re.compile(
    r"(^|\.|lora_unet_)blocks[._]\d+[._](self_attn[._]q|attn1[._]to_q)[._](lora_down|lora_A)(\.default)?\.weight$"
)


@dataclass(frozen=True, slots=True)
class Found:
    """A file that can be used: the kind of entry that it becomes (as in the catalogue), and its family.

    `needs_vae`: a checkpoint without one. `frames`: how many a motion module can see. `has_text_encoder`: a LoRA that
    changes that, too. `word`: what an embedding calls itself, if it does.
    """

    kind: str
    family: Family
    needs_vae: bool = False
    frames: int = 0
    has_text_encoder: bool = False
    word: str = ""


_UNET, _VAE, _TEXT = "model.diffusion_model.", "first_stage_model.", "cond_stage_model.transformer."
_IN_MOTION = re.compile(r"[._]motion_modules[._]")
_READS_TEXT = re.compile(r"attn2\.to_k\.weight$")
_BLOCKS = re.compile(r"(down|up|input|output)_blocks[._]\d|mid(dle)?_block|^lora_te_|^text_encoder\.")
# What else people share: names that only one kind of checkpoint has. Those of LoRAs' families come first.
_CHECKPOINTS = (
    (r"^conditioner\.embedders\.1\.|^text_encoders?\.clip_g\.", "SDXL"),
    (r"^conditioner\.embedders\.0\.model\.", "SDXL's refiner"),
    (r"^cond_stage_model\.model\.", "Stable Diffusion 2"),
    (r"patchify_proj|^vae\.per_channel_statistics", "LTX-Video"),
    (r"patch_embed\.text_proj\.", "CogVideoX"),
)


def recognise(header: Header) -> Found:
    """Return what the file is.

    Raises:
        Refused: it is for another model, cannot be used here, or is of no known kind.
    """
    names = header.shapes
    if not names:
        raise Refused("unknown", key="–")
    for test, reader in _KINDS:
        if any(test(name) for name in names):
            return reader(header)
    if is_lora(names) or any(sign in name for name in names for sign in LAYOUTS):
        return _lora(header)
    if other := other_family(names) or _checkpoint_of(names):
        raise Refused("other-checkpoint", made_for=other)
    if len(names) == 1 and next(iter(names.values()))[-1:] in {(each.text_width,) for each in FAMILIES}:
        return _embedding(header)  # diffusers' layout: the word is the name
    raise Refused("unknown", key=next(iter(names))[:80])


def _checkpoint_of(names: Mapping[str, Any]) -> str | None:
    return next((made for pattern, made in _CHECKPOINTS if any(re.search(pattern, name) for name in names)), None)


def _checkpoint(header: Header) -> Found:
    shapes = header.shapes
    if other := _checkpoint_of(shapes) or other_family(shapes):
        raise Refused("other-checkpoint", made_for=other)
    widths = {shape[-1] for name, shape in shapes.items() if name.startswith(_UNET) and _READS_TEXT.search(name)}
    family = next((each for each in FAMILIES if widths == {each.text_width}), None)
    if family is None:
        raise Refused("other-checkpoint", made_for=f"{_UNET}* {sorted(widths)[:3]}")
    if not any(name.startswith(_TEXT) for name in shapes):
        raise Refused("no-text-encoder")
    inputs = shapes.get(f"{_UNET}input_blocks.0.0.weight", (0, 0))[1:2]
    if inputs != (family.channels,):
        raise Refused("inputs", found=inputs[0] if inputs else "?", wanted=family.channels)
    return Found("models", family, needs_vae=not any(name.startswith(_VAE) for name in shapes))


def _motion(header: Header) -> Found:
    shapes = {name.removeprefix("module.").replace(".temporal_transformer.", "."): shape
              for name, shape in header.shapes.items()}  # fmt: skip
    if is_lora(shapes):
        return _motion_lora(shapes)
    widths: list[int] = []
    while shape := shapes.get(f"down_blocks.{len(widths)}.motion_modules.0.norm.weight"):
        widths.append(shape[0])
    family = next((each for each in FAMILIES if widths and each.motion_widths == tuple(widths)), None)
    positions = [shape[1] for name, shape in shapes.items() if name.endswith(".pe") and len(shape) == 3]
    if family is None or not positions or not positions[0]:
        raise Refused("other-motion", made_for="SDXL" if tuple(widths) == (320, 640, 1280) else str(widths or "?"))
    return Found("adapters", family, frames=min(positions))


def _motion_lora(shapes: Mapping[str, tuple[int, ...]]) -> Found:
    widest = max((max(shape) for shape in shapes.values() if shape), default=0)
    families = {max(each.motion_widths): each for each in FAMILIES if each.motion_widths}
    # The widest matrix of a motion module's feed-forward layers is eight times as wide as its block.
    family = next((families[width] for width in (widest, widest // 8, widest // 4) if width in families), None)
    if family is None:
        raise Refused("other-lora", made_for=f"{widest}")
    return Found("loras", family)


def _lora(header: Header) -> Found:
    shapes = header.shapes
    if wan := _wan(shapes):
        return Found("styles", wan)
    if other := made_for(shapes, USUAL.text_width):
        raise Refused("other-lora", made_for=other)
    for sign, layout in LAYOUTS.items():
        if any(sign in name for name in shapes):
            raise Refused("lora-layout", layout=layout)
    if not any(_BLOCKS.search(name) for name in shapes):
        raise Refused("other-lora", made_for=next(iter(shapes))[:60])
    widths = text_widths(shapes)
    family = next((each for each in FAMILIES if widths in ({each.text_width}, set())), None)
    if family is None:
        raise Refused("other-lora", made_for=", ".join(map(str, sorted(widths)[:3])))
    with_text = any(name.startswith(("lora_te_", "text_encoder.")) for name in shapes)
    return Found("styles", family, has_text_encoder=with_text)


def _wan(shapes: Mapping[str, tuple[int, ...]]) -> Family | None:
    """Return which of our Wan models a LoRA was made for; None if it is another one, such as that with 14 billion."""
    widths = {shape[-1] for name, shape in shapes.items() if _WAN_READS.search(name)}
    return _WAN.get(widths.pop()) if len(widths) == 1 else None


def _vae(header: Header) -> Found:
    shapes = {name.removeprefix(_VAE): shape for name, shape in header.shapes.items()}
    latents = shapes.get("decoder.conv_in.weight", ())[1:2]
    family = next((each for each in FAMILIES if latents == (each.channels,)), None)
    # Three-dimensional convolutions are those of videos' VAEs.
    if family is None or len(shapes["decoder.conv_in.weight"]) != 4:
        raise Refused("other-vae", found=latents[0] if latents else "?", wanted=USUAL.channels)
    return Found("vaes", family)


def _embedding(header: Header) -> Found:
    if {"clip_l", "clip_g"} & header.shapes.keys():
        raise Refused("embedding", made_for="SDXL")
    name, shape = next(((name, shape) for name, shape in header.shapes.items() if name == "emb_params"),
                       next(iter(header.shapes.items())))  # fmt: skip
    family = next((each for each in FAMILIES if shape[-1:] == (each.text_width,)), None)
    if family is None or len(shape) > 2:
        raise Refused("embedding", made_for=" x ".join(map(str, shape)))
    return Found("embeddings", family, word="" if name == "emb_params" else name)


def _controlnet(header: Header) -> Found:
    raise Refused("controlnet")


_KINDS = (
    (lambda name: "controlnet" in name or name.startswith("control_model."), _controlnet),
    (lambda name: _IN_MOTION.search(name) is not None, _motion),
    (lambda name: name.startswith((f"{_UNET}input_blocks.", "cond_stage_model.", "conditioner.")), _checkpoint),
    (lambda name: name in ("emb_params", "clip_l", "clip_g"), _embedding),
    (lambda name: name.removeprefix(_VAE) == "decoder.conv_in.weight", _vae),
)
