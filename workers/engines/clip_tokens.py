"""CLIP's tokenizer, as far as counting the tokens of a prompt needs it.

The queue `cpu` counts them on machines that have neither torch nor transformers. So this builds the tokenizer from its
files with the library `tokenizers`, step by step as transformers 5 does (models/clip/tokenization_clip.py);
tests/workers/engines/test_clip_tokens.py compares the two.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from workers.engines.files.clip_tokenizer import require_tokenizer
from workers.engines.files.source import Source

NO_LIMIT = int(1e30)  # what transformers assumes if the configuration names none

# In transformers' order: where one text has several of these roles, the last one decides how the text is matched.
_SPECIAL = {
    "bos_token": "<|startoftext|>",
    "eos_token": "<|endoftext|>",
    "unk_token": "<|endoftext|>",
    "pad_token": "<|endoftext|>",
}
_WORD = r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
_TOKEN_FIELDS = ("content", "single_word", "lstrip", "rstrip", "normalized")


class PromptTokens:
    """Counts the tokens of prompts.

    Args:
        tokenizer: a `tokenizers.Tokenizer` that adds the start and end tokens.
        limit: how many tokens the text encoder reads, including those two.
    """

    def __init__(self, tokenizer: Any, limit: int) -> None:
        self._tokenizer = tokenizer
        self.limit = limit

    def count(self, prompt: str) -> int:
        """Return the token count of `prompt`, including the start and end tokens, beyond the limit too."""
        return len(self._tokenizer.encode(prompt).ids)


def load_prompt_tokens(folder: Path, source: Source) -> PromptTokens:
    """Return the tokenizer in `folder`: tokenizer.json, or vocab.json with merges.txt, and their configuration.

    Raises:
        RenderError: "model-missing" if a file is missing, "model-corrupt" if one cannot be used.
    """
    require_tokenizer(folder, source)
    with source.reading(folder / "vocab.json"):
        config, serialized = _read(folder / "tokenizer_config.json"), _read(folder / "tokenizer.json")
        special = {name: config.get(name) or default for name, default in _SPECIAL.items()}
        if "added_tokens_decoder" in config:
            added = list(config["added_tokens_decoder"].values())
        else:
            added = serialized.get("added_tokens", [])
            override = _read(folder / "special_tokens_map.json")
            special |= {name: token for name, token in override.items() if name in _SPECIAL}
        tokenizer = _build(*_vocabulary(folder, serialized), {name: _text(token) for name, token in special.items()})
        known = {_text(token) for token in added}
        more = [token for token in special.values() if _text(token) not in known]
        tokenizer.add_tokens([_added_token(token) for token in (*added, *more)])
        return PromptTokens(tokenizer, int(config.get("model_max_length", NO_LIMIT)))


def _read(path: Path) -> dict[str, Any]:
    """Return the JSON object in `path`, empty if there is no such file."""
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else {}


def _vocabulary(folder: Path, serialized: Mapping[str, Any]) -> tuple[dict[str, int], list[tuple[str, str]]]:
    """Return token IDs by token, and the merges in order."""
    from tokenizers.models import BPE

    if not serialized:
        return BPE.read_file(str(folder / "vocab.json"), str(folder / "merges.txt"))
    model = serialized["model"]
    pairs = (merge.split(" ") if isinstance(merge, str) else merge for merge in model["merges"])
    return model["vocab"], [(first, second) for first, second in pairs]


def _build(vocabulary: dict[str, int], merges: list[tuple[str, str]], special: Mapping[str, str]) -> Any:
    from tokenizers import Regex, Tokenizer, normalizers, pre_tokenizers, processors
    from tokenizers.models import BPE

    model = BPE(vocab=vocabulary, merges=merges, end_of_word_suffix="</w>", unk_token=special["unk_token"])
    tokenizer = Tokenizer(model)
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()]
    )
    words = pre_tokenizers.Split(Regex(_WORD), behavior="removed", invert=True)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([words, pre_tokenizers.ByteLevel(add_prefix_space=False)])
    start, end = ((special[name], vocabulary[special[name]]) for name in ("bos_token", "eos_token"))
    tokenizer.post_processor = processors.RobertaProcessing(end, start, trim_offsets=False, add_prefix_space=False)
    return tokenizer


def _text(token: str | Mapping[str, Any]) -> str:
    return token if isinstance(token, str) else token["content"]


def _added_token(token: str | Mapping[str, Any]) -> Any:
    """Return a token that is matched in the text before it is split into words."""
    from tokenizers import AddedToken

    if isinstance(token, str):
        return AddedToken(token, special=True)
    return AddedToken(**{name: token[name] for name in _TOKEN_FIELDS if name in token}, special=True)
