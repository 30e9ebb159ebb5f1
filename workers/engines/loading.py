"""Loaders for AnimateDiff's parts from local folders: base model, motion adapter, LoRAs and scheduler.

Nothing is guessed: a file that is missing, damaged, or lacks a weight its configuration asks for raises a `RenderError`
that names it. A weight silently left at its random initial value would turn clips into noise.
"""

import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from auravideo.commands import FETCH_MODELS
from generation.domain.errors import RenderError
from workers.engines import lora_files
from workers.engines.base import Lora
from workers.engines.device_errors import fault_of
from workers.engines.files.motion_layouts import in_names_of_diffusers

logger = logging.getLogger(__name__)

# Schedulers allowed in catalogue entries: those used with AnimateDiff and its few-step modules.
SCHEDULERS = (
    "DDIMScheduler",
    "DPMSolverMultistepScheduler",
    "EulerAncestralDiscreteScheduler",
    "EulerDiscreteScheduler",
    "LCMScheduler",
    "PNDMScheduler",
    "UniPCMultistepScheduler",
)

# For a base whose own scheduler is not among these, unless the catalogue names one: as AnimateDiff was trained.
ANIMATEDIFF_SCHEDULER: Mapping[str, Any] = {
    "class": "DDIMScheduler",
    "beta_schedule": "linear",
    "clip_sample": False,
    "timestep_spacing": "linspace",
    "steps_offset": 1,
}

# What a scheduler says about the network, whichever scheduler samples it. Solver options make sense only
# for the class they were saved with: DEIS's `algorithm_type`, for one, stops DPM-Solver from being created.
TRAINED_WITH = (
    "beta_end", "beta_schedule", "beta_start", "clip_sample", "clip_sample_range", "dynamic_thresholding_ratio",
    "num_train_timesteps", "prediction_type", "rescale_betas_zero_snr", "sample_max_value", "set_alpha_to_one",
    "steps_offset", "thresholding", "timestep_spacing", "trained_betas",
)  # fmt: skip

# What a configuration says to have code fetched from a hub, or weights unpacked by another library, when it is loaded.
FOREIGN = (
    "auto_map", "custom_pipelines", "attn_implementation", "_attn_implementation", "_attn_implementation_internal",
    "kernel_config", "use_kernels", "quantization_config", "trust_remote_code",
)  # fmt: skip

# Beside a text encoder, it lets transformers load the model that it names instead, from wherever that is.
_ADAPTER = "adapter_config.json"

# The names that published files give to the class with which we load them.
_SAME: Mapping[str, tuple[str, ...]] = {
    "CLIPTextModel": ("CLIPTextModel", "CLIPModel", "CLIPTextModelWithProjection"),
    "T5EncoderModel": ("T5EncoderModel", "T5ForConditionalGeneration"),
    "UMT5EncoderModel": ("UMT5EncoderModel", "UMT5ForConditionalGeneration"),
}

DIFFUSERS_WEIGHTS = "diffusion_pytorch_model"
TRANSFORMERS_WEIGHTS = "model"

Networks = tuple[Any, Any, Any]  # text encoder, VAE and UNet


class Source:
    """A model on disk and its display name; creates the errors that name it.

    Args:
        label: the model's display name.
        command: what an operator runs to download it.
        variant: preferred infix of the weights, such as "fp16"; others are used if there is no such file.
    """

    def __init__(self, label: str, command: str = FETCH_MODELS, variant: str | None = None) -> None:
        self.label, self.command, self.variant = label, command, variant

    def missing(self, path: Path) -> RenderError:
        return RenderError("model-missing", model=self.label, file=path.name, command=self.command)

    def unsafe(self, path: Path, problem: str) -> RenderError:
        """Return the error for a file that asks for more than weights; `problem` is what it asks for."""
        logger.error("%s: %s is not used: %s", self.label, path, problem)
        return RenderError("model-unsafe", model=self.label, file=path.name, problem=problem)

    def corrupt(self, path: Path) -> RenderError:
        """Return the error for a file that cannot be read: what it is instead, if that can be told."""
        id = disguise(path) if path.suffix == ".safetensors" else None
        return RenderError(id or "model-corrupt", model=self.label, file=path.name, command=self.command)

    @contextmanager
    def reading(self, path: Path) -> Iterator[None]:
        """Translate library errors about a bad file into "model-corrupt"; the device's errors and ours pass through.

        Libraries raise anything: tokenizers a bare `Exception`, safetensors its own class.
        """
        try:
            yield
        except Exception as error:
            if isinstance(error, RenderError) or fault_of(error) is not None:
                raise
            logger.exception("%s: %s cannot be loaded", self.label, path)
            raise self.corrupt(path) from error


def disguise(path: Path) -> str | None:
    """Return the error ID of what a file is that claims to be safetensors; None if that cannot be told."""
    try:
        with path.open("rb") as file:
            start = file.read(512).lstrip(b"\xef\xbb\xbf \t\r\n")
    except OSError:
        return None
    signs = {b"<": "model-is-page", b"PK\x03\x04": "model-is-archive", b"\x80\x02": "model-is-archive"}
    signs[b"version https://git-lfs"] = "model-is-pointer"
    return next((id for sign, id in signs.items() if start.startswith(sign)), None)


def weights_file(folder: Path, stem: str, source: Source) -> tuple[Path, str | None]:
    """Return the safetensors file `<stem>[.<variant>].safetensors` in `folder`, and its variant.

    The preferred variant of `source` comes first, then the plain file, then any other variant.

    Raises:
        RenderError: "model-missing" if there is none; "model-corrupt" if it is truncated or not a safetensors file.
    """
    from safetensors import safe_open

    found = {path.name.removeprefix(stem).removesuffix(".safetensors").lstrip(".") or None: path
             for path in sorted(folder.glob(f"{stem}*.safetensors"))}  # fmt: skip
    for variant in (source.variant, None, *found):
        if variant in found:
            path = found[variant]
            with source.reading(path), safe_open(path, framework="pt") as file:
                file.keys()
            return path, variant
    raise source.missing(folder / f"{stem}.safetensors")


def shards(folder: Path, stem: str, source: Source) -> list[Path]:
    """Return the files of weights that are split, `<stem>.safetensors.index.json` names them; empty if they are not.

    Raises:
        RenderError: "model-missing" or "model-corrupt", naming the file.
    """
    from safetensors import safe_open

    index = folder / f"{stem}.safetensors.index.json"
    if not index.is_file():
        return []
    with source.reading(index):
        names = sorted({str(name) for name in read_json(index, source)["weight_map"].values()})
    for name in names:
        # Other endings would be read as pickles.
        if Path(name).name != name or not name.endswith(".safetensors") or not (folder / name).is_file():
            raise source.missing(folder / name)
        with source.reading(folder / name), safe_open(folder / name, framework="pt") as file:
            file.keys()
    return [folder / name for name in names]


def read_json(path: Path, source: Source) -> dict[str, Any]:
    """Return the JSON object in `path`, a configuration of a model.

    Raises:
        RenderError: "model-missing", "model-corrupt"; "model-unsafe" if it asks for code from elsewhere.
    """
    if not path.is_file():
        raise source.missing(path)
    with source.reading(path):
        content = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(content, dict):
            raise ValueError("not a JSON object")
        found = next((name for name in FOREIGN if content.get(name)), None) or _foreign(content)
    if found is not None:
        raise source.unsafe(path, found)
    return content


def _foreign(content: Any) -> str | None:
    """Return which of `FOREIGN` a configuration has, at any depth: the parts of a text encoder have their own."""
    if isinstance(content, dict):
        own = (name for name in FOREIGN if (value := content.get(name)) and not _is_built_in(value))
        return next(own, None) or _foreign(list(content.values()))
    if isinstance(content, list):
        return next((found for one in content if (found := _foreign(one)) is not None), None)
    return None


def _is_built_in(value: Any) -> bool:
    """Return whether a value names something of transformers itself, such as "sdpa", rather than of a hub."""
    return isinstance(value, str) and "/" not in value


def require_class(config: Mapping[str, Any], cls: Any, path: Path, source: Source) -> None:
    """Raise "model-unsafe" if `config` was written for another class than `cls`, with which it is loaded."""
    named = [config.get("_class_name", cls.__name__), *(config.get("architectures") or [])]
    strange = [name for name in named if name not in _SAME.get(cls.__name__, (cls.__name__,))]
    if strange:
        raise source.unsafe(path, str(strange[0])[:80])


def load_model(cls: Any, folder: Path, dtype: Any, source: Source, stem: str = DIFFUSERS_WEIGHTS) -> Any:
    """Return a diffusers or transformers model from `folder` (config.json and weights), on the CPU, in `dtype`.

    Raises:
        RenderError: as `weights_file`; also "model-corrupt" if a weight is missing or has the wrong shape.
    """
    config = folder / "config.json"
    require_class(read_json(config, source), cls, config, source)
    if (folder / _ADAPTER).exists():
        raise source.unsafe(folder / _ADAPTER, "base_model_name_or_path")
    split = shards(folder, stem, source)
    path, variant = (split[0], None) if split else weights_file(folder, stem, source)
    options = {"variant": variant, "use_safetensors": True, "local_files_only": True, "output_loading_info": True}
    with source.reading(path):
        model, info = cls.from_pretrained(str(folder), dtype=dtype, **options)
        wrong = [*info["missing_keys"], *info["mismatched_keys"], *info.get("error_msgs", ())]
        if wrong:
            raise ValueError(f"weights missing or of another shape: {wrong[:5]}")
    return align(model.eval())


def require_tokenizer(folder: Path, source: Source) -> None:
    """Raise "model-missing" unless `folder` has a tokenizer: tokenizer.json, or vocab.json with merges.txt."""
    for name in ("vocab.json", "merges.txt"):
        if not (folder / name).is_file() and not (folder / "tokenizer.json").is_file():
            raise source.missing(folder / name)


def load_tokenizer(folder: Path, source: Source) -> Any:
    """Return the CLIP tokenizer in `folder` for the text encoder. To count tokens, use clip_tokens."""
    from transformers import CLIPTokenizer

    require_tokenizer(folder, source)
    if (folder / "tokenizer_config.json").is_file():
        read_json(folder / "tokenizer_config.json", source)
    with source.reading(folder / "vocab.json"):
        return CLIPTokenizer.from_pretrained(str(folder), local_files_only=True)


def load_motion_adapter(path: Path, dtype: Any, source: Source) -> Any:
    """Return a `MotionAdapter` from a diffusers folder or, if `path` is a file, from weights without configuration."""
    from diffusers import MotionAdapter

    if path.is_dir():
        return load_model(MotionAdapter, path, dtype, source)
    if not path.is_file():
        raise source.missing(path)
    import torch
    from safetensors.torch import load_file

    with source.reading(path):
        weights = {name: tensor.to(dtype) for name, tensor in in_names_of_diffusers(load_file(path)).items()}
        with torch.device("meta"):
            adapter = MotionAdapter(**motion_adapter_config(weights))
        adapter.load_state_dict(weights, strict=True, assign=True)
    return align(adapter.eval())


def align(model: Any) -> Any:
    """Return `model` without gradients and with its weights aligned to 64 bytes, as torch allocates them.

    Memory-mapped weights have arbitrary alignment, which changes the summation order of CPU kernels: the last bits
    would depend on whether a weight was moved since loading. They also depend on `requires_grad`, even without a
    backward pass, and removing a LoRA leaves it False.
    """
    model.requires_grad_(False)
    for tensor in (*model.parameters(), *model.buffers()):
        if tensor.data_ptr() % 64:
            tensor.data = tensor.data.clone()
    return model


def motion_adapter_config(weights: Mapping[str, Any]) -> dict[str, Any]:
    """Return the `MotionAdapter` arguments for these weights (AnimateDiff-Lightning's files have no config).

    Only what differs between files is inferred: widths, context length, layers, and whether there is a middle block.
    For the published files, the result equals `MotionAdapter()`'s defaults.

    Raises:
        KeyError: not the weights of a motion adapter.
    """

    def count(prefix: str) -> int:
        return len({name[len(prefix) :].split(".")[0] for name in weights if name.startswith(prefix)})

    blocks = range(count("down_blocks."))
    first = "motion_modules.0.transformer_blocks.0"
    layers = tuple(count(f"down_blocks.{i}.motion_modules.") for i in blocks)
    return {
        "block_out_channels": tuple(weights[f"down_blocks.{i}.motion_modules.0.norm.weight"].shape[0] for i in blocks),
        # A single number where possible: diffusers' LoRA weighting adds to it, which fails on a tuple.
        "motion_layers_per_block": layers[0] if len(set(layers)) == 1 else layers,
        "motion_max_seq_length": weights[f"down_blocks.0.{first}.pos_embed.pe"].shape[1],
        "use_motion_mid_block": any(name.startswith("mid_block.") for name in weights),
    }


def join_motion(unet: Any, adapter: Any, weights: Mapping[str, Any] | None = None) -> Any:
    """Return the `UNetMotionModel` of an SD UNet and a motion adapter, sharing their weights instead of copying them.

    `UNetMotionModel.from_unet2d` initializes the 1.3 billion parameters of SD 1.5 with v1-5-2 at random, in float32,
    before copying the real ones over; here the model is built on the meta device and takes over the loaded tensors. The
    adapter loses its layers to the returned model.

    Args:
        weights: the UNet's, if `unet` has only its configuration (on the meta device).
    """
    import torch
    from diffusers import UNetMotionModel

    weights = unet.state_dict() if weights is None else weights
    motion = adapter.state_dict()  # now: `from_unet2d` moves the adapter to the UNet's device
    with torch.device("meta"):
        model = UNetMotionModel.from_unet2d(unet, adapter, load_weights=False)
    model.load_state_dict({**weights, **motion}, strict=True, assign=True)
    model.spatial_config = unet.config  # for `swap_motion`
    # The pipeline needs only the adapter's configuration; its weights would occupy GPU memory twice.
    adapter.down_blocks, adapter.mid_block, adapter.up_blocks = torch.nn.ModuleList(), None, torch.nn.ModuleList()
    dtype = next(iter(weights.values())).dtype
    adapter.placeholder = torch.nn.Parameter(torch.zeros(1, dtype=dtype))  # without parameters, no dtype
    return model.requires_grad_(False).eval()


def swap_motion(pipeline: Any, path: Path, motion: Source) -> None:
    """Give a pipeline from `load_pipeline` another motion adapter; the weights of the base stay where they are.

    The pipeline must be plain: no LoRAs, hooks, FreeNoise or split inference. The new adapter is read before the old
    one goes, so that the pipeline stays as it is if that fails.

    Args:
        path: the new adapter's folder or bare weights file.

    Raises:
        RenderError: "model-missing" or "model-corrupt", naming the adapter, also if it doesn't fit the base.
    """
    import torch
    from diffusers import UNet2DConditionModel

    old = pipeline.unet
    adapter = load_motion_adapter(path, old.dtype, motion)
    with torch.device("meta"):
        spatial = UNet2DConditionModel.from_config(old.spatial_config)
    names = spatial.state_dict().keys()
    weights = {name: weight for name, weight in old.state_dict().items() if name in names}
    with motion.reading(path):
        joined = join_motion(spatial, adapter, weights)
    pipeline.register_modules(unet=joined, motion_adapter=adapter)


def load_pipeline(
    base: Path,
    adapter: Path,
    vae: Path | None,
    dtype: Any,
    source: Source,
    motion: Source,
    networks: Networks | None = None,
) -> Any:
    """Return an `AnimateDiffPipeline` from local folders, on the CPU, with the base's own scheduler.

    Args:
        base: a folder in Stable Diffusion's layout: unet, vae, text_encoder, tokenizer, scheduler.
        adapter: a motion adapter's folder or bare weights file.
        vae: folder of a VAE that replaces the base's.
        networks: text encoder, VAE and UNet if they come from elsewhere (files/single_file.py).

    Raises:
        RenderError: "model-missing" or "model-corrupt", also if adapter and base don't fit together.
    """
    from diffusers import AnimateDiffPipeline

    if not base.is_dir():
        raise source.missing(base)
    tokenizer = load_tokenizer(base / "tokenizer", source)
    text_encoder, decoder, unet = networks or load_networks(base, vae, dtype, source)
    motion_adapter = load_motion_adapter(adapter, dtype, motion)
    with motion.reading(adapter):
        joined = join_motion(unet, motion_adapter)
    pipeline = AnimateDiffPipeline(
        vae=decoder,
        text_encoder=text_encoder,
        tokenizer=tokenizer,
        unet=joined,
        motion_adapter=motion_adapter,
        scheduler=make_scheduler(None, base, source),
    )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def load_networks(base: Path, vae: Path | None, dtype: Any, source: Source, decoder: Any = None) -> Networks:
    """Return text encoder, VAE and UNet from a folder in Stable Diffusion's layout, on the CPU.

    Args:
        vae: folder of a VAE that replaces the base's.
        decoder: the VAE if it is loaded already.
    """
    from diffusers import AutoencoderKL, UNet2DConditionModel
    from transformers import CLIPTextModel
    from transformers.utils import logging as transformers_logging

    transformers_logging.disable_progress_bar()
    text_encoder = load_model(CLIPTextModel, base / "text_encoder", dtype, source, TRANSFORMERS_WEIGHTS)
    if decoder is None:
        decoder = load_model(AutoencoderKL, vae or base / "vae", dtype, source)
    return text_encoder, decoder, load_model(UNet2DConditionModel, base / "unet", dtype, source)


def make_scheduler(
    entry: Mapping[str, Any] | None, base: Path, source: Source, allowed: Sequence[str] = SCHEDULERS
) -> Any:
    """Return a new scheduler: the base's configuration, updated with the catalogue's `entry`.

    Many checkpoints were saved with a scheduler that was never meant for AnimateDiff (DEIS, Heun, LMS, KDPM2 ...). It
    is no reason to refuse them: without an entry, `ANIMATEDIFF_SCHEDULER` takes its place.

    Args:
        entry: a class name from `allowed` under "class" plus configuration fields; None or empty for the base's own.
        allowed: class names; a base whose own is not among these gets AnimateDiff's, if that is one of them.

    Raises:
        ValueError: the class is not allowed or has no such field (an error in the catalogue, not a damaged file).
    """
    import inspect

    import diffusers

    path = base / "scheduler" / "scheduler_config.json"
    config = read_json(path, source)
    fields = dict(entry or {})
    own_name = config.get("_class_name")
    if "class" not in fields and own_name not in allowed and ANIMATEDIFF_SCHEDULER["class"] in allowed:
        logger.info("%s: its scheduler %s is not used with AnimateDiff; using ours", source.label, own_name)
        fields = {**ANIMATEDIFF_SCHEDULER, **fields}
    name = fields.pop("class", own_name)
    if name not in allowed:
        raise ValueError(f"{source.label}: scheduler {name!r} is none of {', '.join(allowed)}")
    cls = getattr(diffusers, name)
    known = inspect.signature(cls.__init__).parameters
    unknown = sorted(set(fields) - set(known))
    if unknown:
        raise ValueError(f"{source.label}: {name} has no field {', '.join(unknown)}")
    with source.reading(path):
        kept = known if name == own_name else set(known).intersection(TRAINED_WITH)
        own = {key: value for key, value in config.items() if key in kept}
        return cls.from_config({**own, **fields})


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


def set_loras(pipeline: Any, loras: Sequence[Lora], base: Source) -> None:
    """Apply exactly these LoRAs to the pipeline, replacing any others.

    They are kept beside the weights, not fused, so that removing them restores every bit.

    Raises:
        RenderError: a LoRA is missing, damaged, or does not fit as a whole ("lora-..."). Then none is applied.
    """
    pipeline.unload_lora_weights()
    try:
        for index, lora in enumerate(loras):
            _load_lora(pipeline, lora, f"lora{index}", base)
    except BaseException:
        pipeline.unload_lora_weights()
        raise
    if loras:
        pipeline.set_adapters([f"lora{index}" for index in range(len(loras))], [lora.weight for lora in loras])


def _load_lora(pipeline: Any, lora: Lora, name: str, base: Source) -> None:
    source = Source(lora.label, lora.command)
    file = lora_file(lora.path, source)
    with source.reading(file):
        shapes = lora_files.read_shapes(file)
    text_width = pipeline.unet.config.cross_attention_dim
    lora_files.refuse_others(shapes, text_width, base=base.label, label=lora.label, file=file.name)
    where: dict[str, Any] = {"weight_name": file.name, "local_files_only": True}
    networks = (pipeline.unet, pipeline.text_encoder)
    with source.reading(file):  # of half a module, for one, diffusers finds the other half missing
        try:
            state, _alphas = pipeline.lora_state_dict(str(file.parent), **where)
        except ValueError as error:  # it knows some of the keys, but not all
            logger.warning("%s: %s has keys of an unknown layout: %.300s", lora.label, file, error)
            raise RenderError("lora-layout", model=lora.label, layout=lora_files.unusual_key(shapes)) from error
        matching, total = lora_files.count_matches(state, *networks)
        if matching == total:
            pipeline.load_lora_weights(str(file.parent), adapter_name=name, **where)
            matching = lora_files.count_applied(name, *networks)
    if matching < total:
        raise RenderError("lora-mismatch", model=lora.label, matching=matching, total=total, base=base.label)


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
