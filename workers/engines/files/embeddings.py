"""Textual inversions: vectors that were trained to stand for a word in the prompt.

Each vector becomes a token of its own: a character from Unicode's private use area, which nobody types. A word in the
prompt is replaced by the characters of its vectors, so nothing changes for prompts without it.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from auravideo.commands import FETCH_MODELS
from generation.catalogue.entries import MOST_VECTORS
from generation.domain.errors import RenderError
from workers.engines.files.clip_tokenizer import load_tokenizer
from workers.engines.files.source import Source

_FIRST, _LAST = 0xE000, 0xF8FF  # the private use area
_AUTOMATIC1111 = "emb_params"


@dataclass(frozen=True, slots=True)
class Embedding:
    """A textual inversion's file, the word that it stands for, and for errors its label and the command."""

    path: Path
    word: str
    label: str = ""
    command: str = FETCH_MODELS


def read_vectors(embedding: Embedding, width: int, base: str) -> Any:
    """Return the vectors of an embedding, `[n, width]`.

    Raises:
        RenderError: "model-missing", "model-corrupt"; "embedding-mismatch" if the file has no vectors of this width.
    """
    from safetensors.torch import load_file

    source = Source(embedding.label or embedding.word, embedding.command)
    if not embedding.path.is_file():
        raise source.missing(embedding.path)
    with source.reading(embedding.path):
        weights = load_file(embedding.path)
    only = next(iter(weights.values())) if len(weights) == 1 else None  # diffusers' layout: the word is the name
    found = weights.get(_AUTOMATIC1111, only)
    vectors = found[None] if found is not None and found.ndim == 1 else found
    if vectors is None or vectors.ndim != 2 or vectors.shape[1] != width or not 1 <= len(vectors) <= MOST_VECTORS:
        raise RenderError("embedding-mismatch", model=source.label, file=embedding.path.name, base=base)
    return vectors


def teach(pipeline: Any, embeddings: Sequence[Embedding], tokenizer: Path, source: Source) -> dict[str, str]:
    """Let a pipeline know exactly these embeddings, and return the characters that stand for each word.

    Args:
        tokenizer: the folder of the model's own tokenizer.

    Raises:
        RenderError: as `read_vectors`; the pipeline then knows none.
    """
    import torch
    from tokenizers import AddedToken

    table = pipeline.text_encoder.get_input_embeddings()
    own = table.weight[: table.num_embeddings].detach()
    fresh = load_tokenizer(tokenizer, source)
    table.weight = torch.nn.Parameter(own, requires_grad=False)
    pipeline.register_modules(tokenizer=fresh)
    vectors = {each.word: read_vectors(each, own.shape[1], source.label) for each in embeddings}
    if not vectors:
        return {}
    letters = iter(map(chr, range(_FIRST, _LAST)))
    words = {word: "".join(islice(letters, len(rows))) for word, rows in vectors.items()}
    added = "".join(words.values())
    fresh.add_tokens([AddedToken(letter, normalized=False) for letter in added])
    ids = fresh.convert_tokens_to_ids(list(added))
    if min(ids) < len(own):  # a vocabulary with gaps, in which CLIP's has none
        raise source.corrupt(tokenizer / "vocab.json")
    grown = own.new_zeros(max(ids) + 1, own.shape[1])
    grown[: len(own)] = own
    grown[ids] = torch.cat([*vectors.values()]).to(own)
    table.weight = torch.nn.Parameter(grown, requires_grad=False)
    return words


def in_place_of_words(prompt: str, words: Mapping[str, str]) -> str:
    """Return a prompt in which the characters of their vectors stand for whole words, however they are capitalized."""
    for word in sorted(words, key=len, reverse=True):
        pattern = rf"(?<![\w-]){re.escape(word)}(?![\w-])"
        prompt = re.sub(pattern, words[word], prompt, flags=re.IGNORECASE)
    return prompt
