"""The configurations beside a model's weights, which must ask for no code and name the class that we load."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from workers.engines.files.source import Source

# What a configuration says to have code fetched from a hub, or weights unpacked by another library, when it is loaded.
FOREIGN = (
    "auto_map", "custom_pipelines", "attn_implementation", "_attn_implementation", "_attn_implementation_internal",
    "kernel_config", "use_kernels", "quantization_config", "trust_remote_code",
)  # fmt: skip

# The names that published files give to the class with which we load them.
_SAME: Mapping[str, tuple[str, ...]] = {
    "CLIPTextModel": ("CLIPTextModel", "CLIPModel", "CLIPTextModelWithProjection"),
    "T5EncoderModel": ("T5EncoderModel", "T5ForConditionalGeneration"),
    "UMT5EncoderModel": ("UMT5EncoderModel", "UMT5ForConditionalGeneration"),
}


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
