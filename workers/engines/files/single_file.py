"""Networks from single files: the weights alone, under names that our libraries translate.

A file is loaded as a whole or refused with the reason. The configuration comes from another folder, so nothing is
fetched.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from generation.domain.errors import RenderError
from workers.engines.files.configs import read_json, require_class
from workers.engines.files.source import Source
from workers.engines.files.weights import align

Weights = Mapping[str, Any]


def read_weights(path: Path, prefixes: tuple[str, ...], dtype: Any, source: Source) -> dict[str, Any]:
    """Return the tensors of a safetensors file whose names begin so, numbers in `dtype`."""
    if not path.is_file():
        raise source.missing(path)
    from safetensors import safe_open

    found = {}
    with source.reading(path), safe_open(path, framework="pt") as file:
        for name in file.keys():  # noqa: SIM118  it has no __iter__
            if name.startswith(prefixes):
                tensor = file.get_tensor(name)
                found[name] = tensor.to(dtype) if tensor.is_floating_point() else tensor
    return found


def build(cls: Any, config: Path, weights: Weights, path: Path, source: Source) -> Any:
    """Return a model of class `cls` with the configuration in the folder `config` and exactly these weights.

    Raises:
        RenderError: "checkpoint-mismatch" if a weight is missing, has another shape, or belongs to another network.
    """
    model = empty(cls, config, source)
    require_match(model, {name: tuple(tensor.shape) for name, tensor in weights.items()}, path, source)
    with source.reading(path):
        model.load_state_dict(dict(weights), strict=True, assign=True)
    return align(model.eval())


def empty(cls: Any, config: Path, source: Source) -> Any:
    """Return a model of class `cls` with the configuration in the folder `config`, and weights without memory."""
    from accelerate import init_empty_weights

    content = read_json(config / "config.json", source)
    require_class(content, cls, config / "config.json", source)
    with source.reading(config / "config.json"), init_empty_weights(include_buffers=False):
        own = {name: value for name, value in content.items() if not name.startswith("_")}
        return cls.from_config(own) if hasattr(cls, "load_config") else cls(cls.config_class.from_dict(own))


def require_match(model: Any, shapes: Mapping[str, tuple[int, ...]], path: Path, source: Source) -> None:
    """Raise "checkpoint-mismatch" unless weights of these shapes are exactly those of a model."""
    wanted = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    fitting = {name for name, shape in wanted.items() if shapes.get(name) == shape}
    strange = sorted({*wanted, *shapes} - fitting)
    if strange:
        raise RenderError(
            "checkpoint-mismatch",
            model=source.label,
            file=path.name,
            matching=len(fitting),
            total=len(wanted),
            problem=strange[0],
        )
