"""LoRAs, memory modes and devices of a pipeline of another family."""

import inspect
from collections.abc import Sequence
from typing import Any

from generation.domain.errors import RenderError
from workers.engines import lora_files
from workers.engines.base import Lora
from workers.engines.diffusion import held_weights
from workers.engines.diffusion.loras import replace_loras
from workers.engines.diffusion.parts import denoisers, networks_of, weight_bytes
from workers.engines.files.source import Source
from workers.engines.memory import Rung

# By speed, the fastest first, as far as a card of 24 GB and less is concerned: without a table, each is tried in turn.
LADDER = (
    Rung("full", decode_frames=0),
    Rung("offload", decode_frames=0, offload=True),
    Rung("8-bit", decode_frames=0, offload=True, eight_bits=True),
    Rung("blocks", decode_frames=0, offload=True, away=True),
    Rung("tiles", decode_frames=0, offload=True, away=True, tile_vae=True),
)

# Weights of a GGUF file have few bits already.
GGUF_LADDER = tuple(rung for rung in LADDER if not rung.eight_bits)

# What lora_files calls the networks of these pipelines, if it can tell them from their LoRAs.
_NAMES = {"WanPipeline": "Wan", "HunyuanVideo15Pipeline": "HunyuanVideo"}


def make_plain(pipeline: Any) -> None:
    """Undo `arrange`, except for tiles and where the weights are."""
    pipeline.remove_all_hooks()
    for network in networks_of(pipeline):
        held_weights.put_back(network)


def arrange(pipeline: Any, rung: Rung, device: str, offload: bool) -> None:
    """Set up everything that a memory mode asks for, and devices.

    With `offload`, each part comes to the device only while it computes; text encoders are larger than what denoises in
    most of these families, so blocks are kept away of both. Where what denoises is kept in 8 bits, too: a text encoder
    runs once, and would otherwise decide what such a clip needs.
    """
    make_plain(pipeline)
    if rung.away or rung.eight_bits:
        for network in text_encoders(pipeline):
            held_weights.keep_away(network, device)
    for network in denoisers(pipeline):
        if rung.away:
            held_weights.keep_away(network, device)
        if rung.eight_bits:
            held_weights.keep_in_eight_bits(network, device)
    set_tiles(pipeline.vae, rung.tile_vae)
    if offload:
        pipeline.enable_model_cpu_offload(device=device)
    else:
        pipeline.to(device, silence_dtype_warnings=True)


def least_bytes(pipeline: Any, rung: Rung) -> int:
    """Return what a memory mode needs on the card at the very least: all weights, or what is there at a time."""
    whole = [weight_bytes(network) for network in networks_of(pipeline)]
    if not rung.offload:
        return sum(whole)
    is_away = rung.away or rung.eight_bits
    texts = [_least_away(network) if is_away else weight_bytes(network) for network in text_encoders(pipeline)]
    networks = [_least_of(network, rung) for network in denoisers(pipeline)]
    return max(*texts, *networks, weight_bytes(pipeline.vae))


def text_encoders(pipeline: Any) -> list[Any]:
    """Return the networks that read prompts."""
    others = (pipeline.vae, *denoisers(pipeline))
    return [network for network in networks_of(pipeline) if all(network is not other for other in others)]


def _least_of(network: Any, rung: Rung) -> int:
    if rung.away:
        return _least_away(network)
    return weight_bytes(network) // (network.dtype.itemsize if rung.eight_bits else 1)


def _least_away(network: Any) -> int:
    """Return what is left of a network whose blocks are kept away, with the largest of them at work."""
    blocks = held_weights.block_bytes(network)
    return weight_bytes(network) - sum(blocks) + max(blocks, default=0)


def set_tiles(vae: Any, wanted: bool) -> None:
    """Let a video VAE decode in overlapping tiles, or not, if it can."""
    change = getattr(vae, "enable_tiling" if wanted else "disable_tiling", None)
    if change is not None:
        change()


def forget_frames(vae: Any) -> None:
    """Let a video VAE drop what it remembers of the frames before, which it does by itself only when it has finished.

    Of Wan's, that is gigabytes of the card, still there when a clip is decoded again in another mode.
    """
    if hasattr(vae, "clear_cache"):
        vae.clear_cache()


def set_guidance(pipeline: Any, guidance: float) -> dict[str, float]:
    """Return how the pipeline's call is told the guidance scale; those without an argument for it have a guider."""
    if "guidance_scale" in inspect.signature(pipeline.__call__).parameters:
        return {"guidance_scale": guidance}
    pipeline.guider = pipeline.guider.new(guidance_scale=guidance)
    return {}


def set_loras(pipeline: Any, loras: Sequence[Lora], base: Source) -> None:
    """Apply exactly these LoRAs to the pipeline, beside the weights, replacing any others.

    Raises:
        RenderError: a LoRA is missing, damaged, or does not fit as a whole ("lora-..."). Then none is applied.
    """
    replace_loras(pipeline, loras, lambda lora, name: _load_lora(pipeline, lora, name, base))


def _load_lora(pipeline: Any, lora: Lora, name: str, base: Source) -> None:
    source = Source(lora.label, lora.command)
    file = lora_files.lora_file(lora.path, source)
    with source.reading(file):
        shapes = lora_files.read_shapes(file)
    if not hasattr(pipeline, "load_lora_weights"):
        raise RenderError("lora-unsupported", model=lora.label, base=base.label)
    other = lora_files.made_for(shapes, text_width=0)
    if other not in (None, _NAMES.get(type(pipeline).__name__)):
        raise RenderError("lora-for-another-model", model=lora.label, made_for=other, base=base.label)
    lora_files.refuse_unreadable(shapes, label=lora.label, file=file.name)
    networks = denoisers(pipeline)
    with source.reading(file):
        state = pipeline.lora_state_dict(str(file.parent), weight_name=file.name, local_files_only=True)
        state = state[0] if isinstance(state, tuple) else state
        total = sum(key.endswith("lora_A.weight") for key in state)
        matching = lora_files.count_fitting(state, networks)
        if matching == total:
            pipeline.load_lora_weights(
                str(file.parent), weight_name=file.name, adapter_name=name, local_files_only=True
            )
            matching = lora_files.count_applied(name, *networks)
    if matching < total or not total:
        raise RenderError("lora-mismatch", model=lora.label, matching=matching, total=total, base=base.label)
