"""What a LoRA file holds: which network it was made for, in which layout, and how much of it fits ours.

diffusers applies whatever happens to match and only logs the rest, so a LoRA for another network would change the clip
a little, or not at all, without a word. Here, a LoRA is applied as a whole or refused with the reason.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from generation.catalogue.lora_families import LAYOUTS, Shapes, is_lora, made_for
from generation.domain.errors import RenderError
from workers.engines.files.source import Source
from workers.engines.files.weights import DIFFUSERS_WEIGHTS


def lora_file(path: Path, source: Source) -> Path:
    """Return the single safetensors file at or in `path`."""
    if path.is_dir():
        files = sorted(path.glob("*.safetensors"))
        if len(files) != 1:
            raise source.missing(path / f"{DIFFUSERS_WEIGHTS}.safetensors")
        path = files[0]
    if not path.is_file():
        raise source.missing(path)
    return path


def read_shapes(path: Path) -> Shapes:
    """Return the shape of every tensor in a safetensors file. Raises what safetensors raises for other files."""
    from safetensors import safe_open

    with safe_open(path, framework="pt") as file:
        names = file.keys()
        return {name: tuple(file.get_slice(name).get_shape()) for name in names}


def refuse_others(shapes: Shapes, text_width: int, *, base: str, label: str, file: str) -> None:
    """Raise a `RenderError` with the reason if this is no LoRA, or one that our network cannot use.

    Args:
        base, label: what the base model and the LoRA are called.
    """
    if other := made_for(shapes, text_width):
        raise RenderError("lora-for-another-model", model=label, made_for=other, base=base)
    refuse_unreadable(shapes, label=label, file=file)


def refuse_unreadable(shapes: Shapes, *, label: str, file: str) -> None:
    """Raise a `RenderError` with the reason if this is no LoRA, or in a layout that diffusers does not read."""
    for sign, layout in LAYOUTS.items():
        if any(sign in key for key in shapes):
            raise RenderError("lora-layout", model=label, layout=layout)
    if not is_lora(shapes):
        raise RenderError("lora-empty", model=label, file=file)


def count_matches(state: Mapping[str, Any], unet: Any, text_encoder: Any) -> tuple[int, int]:
    """Return how many modules of a LoRA have a counterpart of the same widths in our networks, and how many there are.

    Args:
        state: the LoRA in diffusers' layout, as `pipeline.lora_state_dict` returns it.
    """
    from diffusers.utils import (
        convert_state_dict_to_diffusers,
        convert_state_dict_to_peft,
        convert_unet_state_dict_to_peft,
    )

    of_unet, of_text = _of(state, "unet."), _of(state, "text_encoder.")
    if of_unet and "lora_A" not in next(iter(of_unet)):
        of_unet = convert_unet_state_dict_to_peft(of_unet)
    of_text = convert_state_dict_to_peft(convert_state_dict_to_diffusers(of_text)) if of_text else of_text
    strangers = {key.rsplit(".lora", 1)[0] for key in state if not key.startswith(("unet.", "text_encoder."))}
    found = [*_fits(of_unet, unet), *_fits(of_text, text_encoder)]
    return sum(found), len(found) + len(strangers)


def count_fitting(state: Mapping[str, Any], networks: Sequence[Any]) -> int:
    """Return how many modules of a LoRA have a counterpart of the same widths in a transformer.

    Args:
        state: the LoRA in diffusers' layout; its keys begin with the name of the network, such as "transformer.".
    """
    return max(sum(_fits({key.partition(".")[2]: tensor for key, tensor in state.items()}, one)) for one in networks)


def _of(state: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    return {key.removeprefix(prefix): tensor for key, tensor in state.items() if key.startswith(prefix)}


def _fits(state: Mapping[str, Any], network: Any) -> Iterator[bool]:
    """Yield for each module of a LoRA, in peft's layout, whether `network` has it, in these widths."""
    modules = dict(network.named_modules())
    for key, down in state.items():
        if not key.endswith(".lora_A.weight"):
            continue
        name = key.removesuffix(".lora_A.weight")
        # transformers 5 dropped this level of CLIP's text encoder.
        module = modules.get(name) or modules.get(name.removeprefix("text_model."))
        weight = getattr(getattr(module, "base_layer", module), "weight", None)
        up = state.get(f"{name}.lora_B.weight")
        shape = getattr(weight, "quant_shape", getattr(weight, "shape", ()))  # the first: of what a GGUF file packs
        yield up is not None and (len(shape), *shape[:2]) == (down.ndim, up.shape[0], down.shape[1])


def count_applied(adapter: str, *networks: Any) -> int:
    """Return how many modules of `networks` have the weights of the LoRA that was loaded as `adapter`."""
    from peft.tuners.tuners_utils import BaseTunerLayer

    layers = (layer for network in networks for layer in network.modules() if isinstance(layer, BaseTunerLayer))
    return sum(adapter in getattr(layer, "lora_A", ()) for layer in layers)


def unusual_key(shapes: Shapes) -> str:
    """Return the ending of the first key that no LoRA in a usual layout has, such as "diff_b"."""
    usual = re.compile(r"(^|[._])(alpha|(lora_)?(up|down)\.weight|lora_[AB](\.default)?\.weight)$")
    return next((key.rsplit(".", 1)[-1] for key in shapes if not usual.search(key)), "?")
