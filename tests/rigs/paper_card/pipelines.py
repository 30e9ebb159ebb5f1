"""The networks of text-to-video on paper: built from their configurations alone, and handed to the real engine."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from tests import full_size_models as published
from tests.rigs.paper_card.card import PaperCard
from workers.engines.animatediff.engine import AnimateDiffEngine
from workers.engines.animatediff.motion import join_motion
from workers.engines.diffusion.engine import PARTS
from workers.engines.files.clip_tokenizer import load_tokenizer
from workers.engines.files.schedulers import make_scheduler
from workers.engines.files.source import Source
from workers.engines.ladder import Ladder
from workers.engines.preview import LatentPreview


@dataclass(frozen=True)
class Networks:
    """The configurations of a base model and its motion adapter."""

    unet: dict[str, Any]
    vae: dict[str, Any]
    text: dict[str, Any]
    adapter: dict[str, Any]


def published_networks(mid_block: bool = True) -> Networks:
    """Return the networks of Stable Diffusion 1.5 with AnimateDiff, as published."""
    widths = published.FULL
    return Networks(
        published.unet_config(widths),
        published.vae_config(widths),
        published.text_config(widths),
        published.adapter_config(widths, mid_block=mid_block),
    )


def networks_in(base: Path, adapter: Path) -> Networks:
    """Return the networks of a base model's folder and of an adapter's."""
    folders = (base / "unet", base / "vae", base / "text_encoder", adapter)
    return Networks(*(json.loads((folder / "config.json").read_text()) for folder in folders))


def write_small_files(base: Path) -> Path:
    """Write what an engine reads besides weights: tokenizer and scheduler."""
    published.write_tokenizer(base / "tokenizer")
    (base / "scheduler").mkdir(parents=True)
    (base / "scheduler" / "scheduler_config.json").write_text(json.dumps(published.SCHEDULER_CONFIG))
    return base


def engine_on(
    card: PaperCard, base: Path, networks: Networks, dtype: torch.dtype = torch.float16, **options: Any
) -> AnimateDiffEngine:
    """Return an engine whose networks are on paper, in main memory, as after `load`. Call it inside `card`.

    Args:
        base: a folder with `tokenizer` and `scheduler`.
        options: of the engine.
    """
    defaults = {"device": "cuda", "ladder": Ladder(), "label": "on paper"}
    engine = AnimateDiffEngine(base, base, **{**defaults, **options})
    put(engine, pipeline_of(base, networks, dtype), dtype)
    parts = engine._pipeline
    for name, module in (("text", parts.text_encoder), ("denoise", parts.unet), ("decode", parts.vae.decoder)):
        card.watch(name, module)
    return engine


def put(engine: AnimateDiffEngine, pipeline: Any, dtype: torch.dtype) -> None:
    """Give an engine a pipeline that it has not loaded itself."""
    engine._pipeline = pipeline
    engine._used = dict.fromkeys(PARTS, str(dtype).removeprefix("torch."))


def fit_preview(engine: AnimateDiffEngine) -> None:
    """Fit the engine's preview, as its first clip does, and leave the networks in main memory."""
    pipeline = engine._pipeline
    pipeline.vae.to(engine.device)
    engine._preview = LatentPreview(pipeline.vae, engine.device)
    pipeline.vae.to("cpu")


def pipeline_of(base: Path, networks: Networks, dtype: torch.dtype) -> Any:
    """Return what `loading.load_pipeline` returns, from configurations instead of files."""
    from diffusers import AnimateDiffPipeline, AutoencoderKL, MotionAdapter, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel

    source = Source("on paper")
    adapter = _built(lambda: MotionAdapter.from_config(networks.adapter), dtype)
    unet = _built(lambda: UNet2DConditionModel.from_config(networks.unet), dtype)
    pipeline = AnimateDiffPipeline(
        vae=_built(lambda: AutoencoderKL.from_config(networks.vae), dtype),
        text_encoder=_built(lambda: CLIPTextModel(CLIPTextConfig(**networks.text)), dtype),
        tokenizer=load_tokenizer(base / "tokenizer", source),
        unet=join_motion(unet, adapter),
        motion_adapter=adapter,
        scheduler=make_scheduler(None, base, source),
    )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def _built(make: Callable[[], torch.nn.Module], dtype: torch.dtype) -> Any:
    """Return a network in main memory whose weights are all 0: as large as the published ones, and quick to make."""
    usual = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        with torch.device("meta"):
            network = make()
    finally:
        torch.set_default_dtype(usual)
    network = network.to_empty(device="cpu").eval().requires_grad_(False)
    for tensor in (*network.parameters(), *network.buffers()):
        tensor.zero_()
    return network
