"""Reads AnimateDiff's parts from local folders: the base model, the motion adapter, LoRAs and the scheduler.

Every part is read by the class it belongs to, and nothing is guessed: a file that is missing, damaged, or does not hold
every weight its configuration asks for ends in a `RenderError` that names it. A weight that is silently left at its
random start would make clips of noise.
"""

import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from generation.domain.errors import RenderError
from workers.engines.memory import is_out_of_memory

logger = logging.getLogger(__name__)

# Schedulers that a catalogue entry may name: those that AnimateDiff and its few-step modules are used with.
SCHEDULERS = (
    "DDIMScheduler",
    "DPMSolverMultistepScheduler",
    "EulerAncestralDiscreteScheduler",
    "EulerDiscreteScheduler",
    "LCMScheduler",
    "PNDMScheduler",
    "UniPCMultistepScheduler",
)

DIFFUSERS_WEIGHTS = "diffusion_pytorch_model"
TRANSFORMERS_WEIGHTS = "model"


class Source:
    """A model on disk and what to call it: makes the errors that name it.

    Args:
        label: what a person calls the model.
        command: what an operator runs to fetch it.
        variant: the weights' infix to prefer, such as "fp16"; others are used when there is no such file.
    """

    def __init__(self, label: str, command: str = "python manage.py fetch_models", variant: str | None = None) -> None:
        self.label, self.command, self.variant = label, command, variant

    def missing(self, path: Path) -> RenderError:
        return RenderError("model-missing", model=self.label, file=path.name, command=self.command)

    def corrupt(self, path: Path) -> RenderError:
        return RenderError("model-corrupt", model=self.label, file=path.name, command=self.command)

    @contextmanager
    def reading(self, path: Path) -> Iterator[None]:
        """Turns what the libraries raise about a bad file into "model-corrupt"; memory errors and ours pass.

        They raise anything: tokenizers a bare `Exception`, safetensors a class of its own.
        """
        try:
            yield
        except Exception as error:
            if isinstance(error, RenderError) or is_out_of_memory(error):
                raise
            logger.exception("%s: %s cannot be loaded", self.label, path)
            raise self.corrupt(path) from error


def weights_file(folder: Path, stem: str, source: Source) -> tuple[Path, str | None]:
    """The safetensors file `<stem>[.<variant>].safetensors` in `folder` and its variant.

    The variant of `source` comes first, then the plain file, then whatever variant there is.

    Raises:
        RenderError: "model-missing" without one; "model-corrupt" when it is cut short or no safetensors file.
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


def read_json(path: Path, source: Source) -> dict[str, Any]:
    """The JSON object in `path`."""
    if not path.is_file():
        raise source.missing(path)
    with source.reading(path):
        content = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(content, dict):
            raise ValueError("not a JSON object")
    return content


def load_model(cls: Any, folder: Path, dtype: Any, source: Source, stem: str = DIFFUSERS_WEIGHTS) -> Any:
    """A model of diffusers or transformers from `folder` (config.json and weights), on the CPU, in `dtype`.

    Raises:
        RenderError: as `weights_file`; "model-corrupt" too when a weight is missing or has another shape.
    """
    read_json(folder / "config.json", source)
    path, variant = weights_file(folder, stem, source)
    options = {"variant": variant, "use_safetensors": True, "local_files_only": True, "output_loading_info": True}
    with source.reading(path):
        model, info = cls.from_pretrained(str(folder), dtype=dtype, **options)
        wrong = [*info["missing_keys"], *info["mismatched_keys"], *info.get("error_msgs", ())]
        if wrong:
            raise ValueError(f"weights missing or of another shape: {wrong[:5]}")
    return align(model.eval())


def load_tokenizer(folder: Path, source: Source) -> Any:
    """The CLIP tokenizer in `folder`; needs no torch."""
    from transformers import CLIPTokenizer

    for name in ("vocab.json", "merges.txt"):
        if not (folder / name).is_file() and not (folder / "tokenizer.json").is_file():
            raise source.missing(folder / name)
    with source.reading(folder / "vocab.json"):
        return CLIPTokenizer.from_pretrained(str(folder), local_files_only=True)


def load_motion_adapter(path: Path, dtype: Any, source: Source) -> Any:
    """A `MotionAdapter` from a diffusers folder or, where `path` is a file, from a bare state dict."""
    from diffusers import MotionAdapter

    if path.is_dir():
        return load_model(MotionAdapter, path, dtype, source)
    if not path.is_file():
        raise source.missing(path)
    import torch
    from safetensors.torch import load_file

    with source.reading(path):
        weights = {name: tensor.to(dtype) for name, tensor in load_file(path).items()}
        with torch.device("meta"):
            adapter = MotionAdapter(**motion_adapter_config(weights))
        adapter.load_state_dict(weights, strict=True, assign=True)
    return align(adapter.eval())


def align(model: Any) -> Any:
    """`model` without gradients, its weights in memory that begins where torch's own begins (at multiples of 64 bytes).

    Weights that are used where they lie in a file begin anywhere, and the processor's kernels then sum in another
    order: the last bits would depend on whether a weight was moved since it was read. They depend on `requires_grad`
    too, even where none is computed, and taking a LoRA off leaves it False.
    """
    model.requires_grad_(False)
    for tensor in (*model.parameters(), *model.buffers()):
        if tensor.data_ptr() % 64:
            tensor.data = tensor.data.clone()
    return model


def motion_adapter_config(weights: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of the `MotionAdapter` that has these weights (AnimateDiff-Lightning's files come without).

    Only what a file can differ in is read off: widths, window, layers and whether there is a middle block. For the
    published files it comes out as `MotionAdapter()`'s own defaults.

    Raises:
        KeyError: these are not the weights of a motion adapter.
    """

    def count(prefix: str) -> int:
        return len({name[len(prefix) :].split(".")[0] for name in weights if name.startswith(prefix)})

    blocks = range(count("down_blocks."))
    first = "motion_modules.0.transformer_blocks.0"
    layers = tuple(count(f"down_blocks.{i}.motion_modules.") for i in blocks)
    return {
        "block_out_channels": tuple(weights[f"down_blocks.{i}.motion_modules.0.norm.weight"].shape[0] for i in blocks),
        # One number where one will do: diffusers' weighing of LoRAs adds to it, which fails on a tuple.
        "motion_layers_per_block": layers[0] if len(set(layers)) == 1 else layers,
        "motion_max_seq_length": weights[f"down_blocks.0.{first}.pos_embed.pe"].shape[1],
        "use_motion_mid_block": any(name.startswith("mid_block.") for name in weights),
    }


def join_motion(unet: Any, adapter: Any) -> Any:
    """The `UNetMotionModel` of an SD UNet and a motion adapter, sharing their weights instead of copying them.

    `UNetMotionModel.from_unet2d` builds the 1.3 billion parameters of SD 1.5 with v1-5-2 at random, in float32, before
    it copies the real ones over; here they are built without memory and the tensors that were read are put in place.
    The adapter is left without its layers, which belong to the model that is returned.
    """
    import torch
    from diffusers import UNetMotionModel

    with torch.device("meta"):
        model = UNetMotionModel.from_unet2d(unet, adapter, load_weights=False)
    model.load_state_dict({**unet.state_dict(), **adapter.state_dict()}, strict=True, assign=True)
    # The pipeline keeps the adapter for its configuration only; with weights it would take its place on the card twice.
    adapter.down_blocks, adapter.mid_block, adapter.up_blocks = torch.nn.ModuleList(), None, torch.nn.ModuleList()
    adapter.placeholder = torch.nn.Parameter(torch.zeros(1, dtype=unet.dtype))  # a model without any has no dtype
    return model.requires_grad_(False).eval()


def load_pipeline(base: Path, adapter: Path, vae: Path | None, dtype: Any, source: Source, motion: Source) -> Any:
    """An `AnimateDiffPipeline` from local folders, on the CPU. Its scheduler is the base's own.

    Args:
        base: a folder in Stable Diffusion's layout: unet, vae, text_encoder, tokenizer, scheduler.
        adapter: a motion adapter's folder or bare weights file.
        vae: a VAE's folder to use instead of the base's.

    Raises:
        RenderError: "model-missing" or "model-corrupt", also when adapter and base do not fit together.
    """
    from diffusers import AnimateDiffPipeline, AutoencoderKL, UNet2DConditionModel
    from transformers import CLIPTextModel
    from transformers.utils import logging as transformers_logging

    transformers_logging.disable_progress_bar()
    if not base.is_dir():
        raise source.missing(base)
    tokenizer = load_tokenizer(base / "tokenizer", source)
    text_encoder = load_model(CLIPTextModel, base / "text_encoder", dtype, source, TRANSFORMERS_WEIGHTS)
    decoder = load_model(AutoencoderKL, vae or base / "vae", dtype, source)
    unet = load_model(UNet2DConditionModel, base / "unet", dtype, source)
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


def make_scheduler(entry: Mapping[str, Any] | None, base: Path, source: Source) -> Any:
    """A new scheduler: the base's own configuration with what the catalogue's `entry` changes.

    Args:
        entry: a class name from `SCHEDULERS` under "class" and configuration fields; None or empty for the base's own.

    Raises:
        ValueError: the class is not allowed or has no such field: the catalogue's mistake, not a damaged file.
    """
    import inspect

    import diffusers

    path = base / "scheduler" / "scheduler_config.json"
    config = read_json(path, source)
    fields = dict(entry or {})
    name = fields.pop("class", None) or config.get("_class_name")
    if name not in SCHEDULERS:
        raise ValueError(f"{source.label}: scheduler {name!r} is none of {', '.join(SCHEDULERS)}")
    cls = getattr(diffusers, name)
    known = inspect.signature(cls.__init__).parameters
    unknown = sorted(set(fields) - set(known))
    if unknown:
        raise ValueError(f"{source.label}: {name} has no field {', '.join(unknown)}")
    with source.reading(path):
        own = {key: value for key, value in config.items() if key in known}
        return cls.from_config({**own, **fields})


def lora_file(path: Path, source: Source) -> Path:
    """The one safetensors file that `path` is, or that lies in it."""
    if path.is_dir():
        files = sorted(path.glob("*.safetensors"))
        if len(files) != 1:
            raise source.missing(path / f"{DIFFUSERS_WEIGHTS}.safetensors")
        path = files[0]
    if not path.is_file():
        raise source.missing(path)
    return path


def set_loras(pipeline: Any, loras: Sequence[tuple[Path, float]], source: Source) -> None:
    """Makes exactly these LoRAs (file or folder, weight) act on the pipeline, instead of those that did before.

    They are kept beside the weights, not fused into them, so that taking them off restores every bit.
    """
    pipeline.unload_lora_weights()
    for index, (path, _) in enumerate(loras):
        file = lora_file(path, source)
        with source.reading(file):
            pipeline.load_lora_weights(str(file.parent), weight_name=file.name, adapter_name=f"lora{index}")
    if loras:
        pipeline.set_adapters([f"lora{index}" for index in range(len(loras))], [float(weight) for _, weight in loras])


def set_free_noise(pipeline: Any, window: tuple[int, int] | None) -> None:
    """Turns FreeNoise on with `window` (context length, context stride), or off with None.

    diffusers builds new blocks and copies the weights, which fails once a LoRA is loaded, and its way back fails on
    adapters without a middle block. Here the FreeNoise blocks share the layers of the ordinary ones, LoRAs and all, so
    turning it on and off costs nothing, changes no bit, and may happen in any order.
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
    """A `FreeNoiseTransformerBlock` around the layers of the `BasicTransformerBlock` `plain`, which it remembers."""
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
    block._plain = (plain,)  # in a tuple, so that torch does not count its layers twice
    return block.eval()
