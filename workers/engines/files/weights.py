"""Networks from a folder of diffusers or transformers: a configuration and weights, whole or split.

Nothing is guessed: a file that is missing, damaged, or lacks a weight its configuration asks for raises a `RenderError`
that names it. A weight silently left at its random initial value would turn clips into noise.
"""

from pathlib import Path
from typing import Any

from workers.engines.files.configs import read_json, require_class
from workers.engines.files.source import Source

DIFFUSERS_WEIGHTS = "diffusion_pytorch_model"
TRANSFORMERS_WEIGHTS = "model"

# Beside a text encoder, it lets transformers load the model that it names instead, from wherever that is.
_ADAPTER = "adapter_config.json"


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
