"""Transformers from GGUF files: diffusers keeps their weights as they are, and computes with one layer's at a time.

The configuration comes from another folder, so nothing is fetched. What does not match it is known by the header,
before anything is loaded.
"""

from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from generation.catalogue.gguf_file import ARCHITECTURES, PLAIN, SUFFIX, Gguf, GgufError, Weight, label, read_gguf
from generation.domain.errors import RenderError
from workers.engines.files.single_file import empty, require_match
from workers.engines.files.source import Source
from workers.engines.files.weights import align

PACKAGE = "gguf"

# By class, the function of diffusers that translates the names of a network's own code.
_TRANSLATED = {
    "LTXVideoTransformer3DModel": "convert_ltx_transformer_checkpoint_to_diffusers",
    "WanTransformer3DModel": "convert_wan_transformer_to_diffusers",
}


def is_gguf(file: Path | None) -> bool:
    """Return whether the weights are in a GGUF file."""
    return file is not None and file.suffix == SUFFIX


def load_transformer(cls: Any, file: Path, config: Path, dtype: Any, source: Source) -> Any:
    """Return a transformer on the CPU that computes in `dtype`, its quantized weights as they are in the file.

    Args:
        config: the folder with its configuration.

    Raises:
        RenderError: "model-missing" or "model-corrupt"; "checkpoint-..." if it is not one for this configuration;
            "model-needs-package" if this worker cannot read any.
    """
    from diffusers import GGUFQuantizationConfig

    if find_spec(PACKAGE) is None:  # diffusers' error would be taken for one of the file
        raise RenderError("model-needs-package", model=source.label, package=PACKAGE)
    header, wanted = _header(file, cls, source), empty(cls, config, source)
    weights = header.weights
    if weights.keys() != wanted.state_dict().keys():  # as diffusers decides whether to translate the names
        weights = _translated(weights, cls, file, source)
    require_match(wanted, {name: weight.shape for name, weight in weights.items()}, file, source)
    plan = GGUFQuantizationConfig(compute_dtype=dtype)
    plan.modules_to_not_convert = sorted(_unpacked(wanted, weights))
    with source.reading(file):
        model = cls.from_single_file(
            str(file), config=str(config), quantization_config=plan, dtype=dtype, local_files_only=True
        )
    return align(_movable(model.eval()))


def _header(file: Path, cls: Any, source: Source) -> Gguf:
    """Return what a file says about itself, which is a network of the class `cls`, or says nothing of that."""
    if not file.is_file():
        raise source.missing(file)
    try:
        with file.open("rb") as opened:
            found = read_gguf(opened, file.stat().st_size)
        if found.architecture and ARCHITECTURES[found.architecture] != cls.__name__:
            raise GgufError("architecture", label(found.architecture))
    except GgufError as error:
        if error.reason in ("architecture", "type", "split"):
            id = f"checkpoint-{error.reason}"
            raise RenderError(id, model=source.label, file=file.name, found=error.found) from error
        raise source.corrupt(file) from error
    return found


def _translated(weights: Mapping[str, Weight], cls: Any, file: Path, source: Source) -> Mapping[str, Weight]:
    """Return weights under the names of diffusers instead of those of a network's own code."""
    from diffusers.loaders import single_file_utils

    translate: Callable[[dict[str, Weight]], dict[str, Weight]]
    translate = getattr(single_file_utils, _TRANSLATED[cls.__name__])
    with source.reading(file):
        return translate(dict(weights))


def _movable(model: Any) -> Any:
    """Return `model` with parameters only: what diffusers unpacks are plain tensors, which torch moves to no card."""
    import torch

    for module in model.modules():
        for name, tensor in module.named_parameters(recurse=False):
            if not isinstance(tensor, torch.nn.Parameter):
                module.register_parameter(name, torch.nn.Parameter(tensor, requires_grad=False))
    return model


def _unpacked(model: Any, weights: Mapping[str, Weight]) -> set[str]:
    """Return the parts of names by which diffusers knows what to load as plain numbers: all but linear layers."""
    import torch

    found = set()
    for name, weight in weights.items():
        owner, _, own = name.rpartition(".")
        module = model.get_submodule(owner)
        if weight.type in PLAIN or (isinstance(module, torch.nn.Linear) and own == "weight"):
            continue
        is_layer = owner and own != "bias" and not list(module.children())
        found.add(owner.rpartition(".")[2] if is_layer else own)
    return found
