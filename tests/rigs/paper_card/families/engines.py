"""The other model families on paper: networks at full size from their configurations, handed to the real engine."""

import json
from pathlib import Path
from typing import Any

import torch

from tests import small_families
from tests.full_size_families import FullSize, Part
from tests.rigs.paper_card.card import PaperCard
from workers.engines.diffusion.clip import Clip
from workers.engines.diffusion.engine import PARTS
from workers.engines.families.engine import FamilyEngine
from workers.engines.families.preview import fitted
from workers.engines.ladder import Ladder


def write_small_files(folder: Path, family: FullSize) -> Path:
    """Write what an engine reads besides weights, tokenizer and scheduler. Return the folder."""
    if family.tokenizer == "t5":
        small_families.t5_tokenizer(folder / "words").save_pretrained(folder / "tokenizer")
    else:
        from transformers import ByT5Tokenizer

        small_families.qwen_tokenizer().save_pretrained(folder / "tokenizer")
        ByT5Tokenizer().save_pretrained(folder / "tokenizer_2")
    (folder / "scheduler").mkdir(parents=True, exist_ok=True)
    name, config = family.scheduler
    text = json.dumps({"_class_name": name, **config})
    (folder / "scheduler" / "scheduler_config.json").write_text(text)
    return folder


def engine_on(card: PaperCard, folder: Path, family: FullSize, **options: Any) -> FamilyEngine:
    """Return an engine whose networks are on paper, in main memory, as after `load`. Call it inside `card`.

    Its clips are recorded as three stages, one after the other: "text", "denoise" and "decode".

    Args:
        folder: as `write_small_files` left it.
        options: of the engine.
    """
    engine = engine_of(folder, family, _Engine, **{"device": "cuda", **options})
    put(engine, pipeline_of(folder, family))
    return engine


class _Engine(FamilyEngine):
    """An engine whose schedulers need not look for the first timestep among all, which have no content on paper."""

    def _scheduler(self, clip: Clip) -> Any:
        scheduler = super()._scheduler(clip)
        if hasattr(scheduler, "index_for_timestep"):
            scheduler.index_for_timestep = lambda *_args, **_kwargs: 0
        return scheduler


def engine_of(folder: Path, family: FullSize, cls: type[FamilyEngine] = FamilyEngine, **options: Any) -> FamilyEngine:
    """Return an engine of a family without its networks."""
    own = {"rule": family.rule, "fps": family.fps, "max_tokens": 10**6, "call": family.call}
    precisions = {name: part.precision for name, part in family.parts.items()}
    defaults = {"ladder": Ladder(), "label": "on paper", "inexact": "early", "precisions": precisions}
    return cls(folder, family.pipeline, **{**defaults, **own, **options})


def put(engine: FamilyEngine, pipeline: Any) -> None:
    """Give an engine a pipeline that it has not loaded itself."""
    engine._pipeline = pipeline
    engine._used = dict.fromkeys(PARTS, str(pipeline.transformer.dtype).removeprefix("torch."))


def fit_preview(engine: FamilyEngine) -> None:
    """Fit the engine's preview, as its first clip does, and leave the networks in main memory."""
    vae = engine._pipeline.vae
    vae.to(engine.device)
    engine._preview = (fitted(engine._pipeline, engine.device),)
    assert engine._preview[0] is not None
    vae.to("cpu")


def pipeline_of(folder: Path, family: FullSize) -> Any:
    """Return the pipeline of a family, its weights all 0, in main memory."""
    import diffusers
    from transformers import AutoTokenizer

    networks = {name: built(part) for name, part in family.parts.items()}
    for module in networks["vae"].modules():
        if hasattr(module, "prepare_causal_attention_mask"):
            module.prepare_causal_attention_mask = _mask_at_once
    others: dict[str, Any] = {"tokenizer": AutoTokenizer.from_pretrained(folder / "tokenizer")}
    if family.tokenizer == "qwen":
        others["tokenizer_2"] = AutoTokenizer.from_pretrained(folder / "tokenizer_2")
        others["guider"] = diffusers.ClassifierFreeGuidance(guidance_scale=family.guidance)
    name, config = family.scheduler
    scheduler = getattr(diffusers, name).from_config(config)
    pipeline = getattr(diffusers, family.pipeline)(**networks, **others, scheduler=scheduler, **family.settings)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def _mask_at_once(frames: int, pixels: int, dtype: Any, device: Any, batch_size: int | None = None) -> Any:
    """Return the mask of HunyuanVideo's decoder at once: it writes tens of thousands of rows one after the other."""
    mask = torch.full((frames * pixels, frames * pixels), 0.0, dtype=dtype, device=device)
    return mask if batch_size is None else mask.unsqueeze(0).expand(batch_size, -1, -1)


def built(part: Part) -> Any:
    """Return a network in main memory as its library loads it, in its precision, but with weights that are all 0."""
    dtype = getattr(torch, part.precision)
    network = on_meta(part, dtype)
    network = network.to_empty(device="cpu").eval().requires_grad_(False)
    for name, parameter in network.named_parameters():
        if is_kept_in_full(part, network, name):
            parameter.data = parameter.data.float()
    for tensor in (*network.parameters(), *network.buffers()):
        tensor.zero_()
    return network


def on_meta(part: Part, dtype: torch.dtype) -> Any:
    """Return a network without memory for its weights."""
    import diffusers
    import transformers

    usual = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        with torch.device("meta"):
            if part.library == "diffusers":
                return getattr(diffusers, part.cls).from_config(dict(part.config))
            cls = getattr(transformers, part.cls)
            return cls(cls.config_class(**part.config))
    finally:
        torch.set_default_dtype(usual)


def is_kept_in_full(part: Part, network: Any, name: str) -> bool:
    """Return whether the library loads a weight in float32 where the network is in half precision.

    transformers does so in float16 alone.
    """
    if part.precision == "float32" or (part.library == "transformers" and part.precision != "float16"):
        return False
    return any(module in name.split(".") for module in network._keep_in_fp32_modules or ())
