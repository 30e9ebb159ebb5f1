"""The folder of a CLIP tokenizer."""

from pathlib import Path
from typing import Any

from workers.engines.files.configs import read_json
from workers.engines.files.source import Source


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
