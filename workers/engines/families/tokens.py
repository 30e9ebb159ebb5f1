"""How many tokens a prompt has, counted without torch and transformers."""

import functools
from collections.abc import Callable
from pathlib import Path

from workers.engines.files.source import Source


def count(folder: Path, prompt: str, source: Source) -> int:
    """Return the token count of `prompt`, including those that the tokenizer adds.

    Args:
        folder: the tokenizer's, with a tokenizer.json or a spiece.model.

    Raises:
        RenderError: "model-missing" if there is neither, "model-corrupt" if it cannot be read.
    """
    file = next((folder / name for name in ("tokenizer.json", "spiece.model") if (folder / name).is_file()), None)
    if file is None:
        raise source.missing(folder / "tokenizer.json")
    with source.reading(file):
        return _counter(file, file.stat().st_mtime_ns)(prompt)


@functools.lru_cache(maxsize=8)
def _counter(file: Path, _changed: int) -> Callable[[str], int]:
    if file.suffix == ".json":
        from tokenizers import Tokenizer

        tokenizer = Tokenizer.from_file(str(file))
        tokenizer.no_truncation()
        tokenizer.no_padding()
        return lambda prompt: len(tokenizer.encode(prompt).ids)
    from sentencepiece import SentencePieceProcessor

    processor = SentencePieceProcessor(model_file=str(file))
    return lambda prompt: len(processor.encode(prompt)) + 1  # T5 ends each prompt with </s>
