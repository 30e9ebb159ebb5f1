"""Weighted prompts of any length for CLIP text encoders, and prompts that change over time.

A prompt that is plain and short goes through diffusers' own `encode_prompt`, bit for bit. Any other is cut into chunks
of as many tokens as the encoder reads (75 and the two at the ends); their embeddings follow one another, and the
network attends to all of them.

A weight scales the embedding of a token from that of an empty prompt at its place: `empty + weight * (text - empty)`.
The embeddings of all tokens after it were made with it in view, though, and keep its meaning: where it weighs less than
1, they are mixed with what they are without it, the weight being the share of the first. So a weight of 0 leaves
nothing of the text.
"""

from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise
from typing import Any

from generation.domain.prompt_syntax.travel import at_frames, read_travel
from generation.domain.prompt_syntax.weights import Fragment, Weighted, read_weights

BACK = 20  # tokens: a chunk ends after a comma that is at most so far back
MAX_LEVELS = 8  # weights below 1 in one chunk, for each of which it is encoded
MAX_CHUNKS = 32  # bounds the memory of attention; texts of a request are far shorter

Chunk = tuple[list[int], list[float]]
"""Token IDs and their weights."""


def read_long_prompts(pipeline: Any) -> None:
    """Let an AnimateDiff pipeline read weighted and long prompts, and with FreeNoise those that change over time."""
    encoder = LongPrompts(pipeline)
    pipeline.encode_prompt = encoder
    pipeline._encode_prompt_free_noise = partial(encoder.by_frame, pipeline._encode_prompt_free_noise)


def read_prompt(text: str) -> Weighted:
    """Return a prompt for a single moment as read; one that changes over time as at its beginning."""
    keys = read_travel(text)
    return read_weights(keys[0].text if keys else text)


class LongPrompts:
    """In place of `AnimateDiffPipeline.encode_prompt`, with its arguments and results: `[B, chunks * 77, C]`.

    `least` is the smallest number of chunks; prompts that are encoded apart and used together need the same.
    """

    def __init__(self, pipeline: Any) -> None:
        self._pipeline, self._encode = pipeline, pipeline.encode_prompt
        self.least = 1

    def __call__(
        self,
        prompt: Any,
        device: Any,
        num_images_per_prompt: int = 1,
        do_classifier_free_guidance: bool = True,
        negative_prompt: Any = None,
        prompt_embeds: Any = None,
        negative_prompt_embeds: Any = None,
        lora_scale: float | None = None,
        clip_skip: int | None = None,
    ) -> tuple[Any, Any]:
        """Encode a prompt or several, of one picture each, as no engine of ours asks for anything else."""
        others = (prompt_embeds, negative_prompt_embeds, lora_scale, clip_skip)
        if num_images_per_prompt != 1 or any(other is not None for other in others):
            raise NotImplementedError("embeddings, LoRA scales, skipped layers and several pictures of a prompt")
        texts = [read_prompt(text) for text in _listed(prompt)]
        negatives = [read_prompt(text) for text in _listed(negative_prompt or [""] * len(texts))]
        used = [*texts, *(negatives if do_classifier_free_guidance else ())]
        chunks = max(self.least, *(len(self._chunks(read)) for read in used))
        if chunks == 1 and all(read.is_plain for read in used):
            plain, negative = _alike(prompt, texts), _alike(negative_prompt, negatives)
            return self._encode(plain, device, 1, do_classifier_free_guidance, negative)
        positive = self._embed(texts, chunks, device)
        return positive, self._embed(negatives, chunks, device) if do_classifier_free_guidance else None

    def by_frame(
        self, encode: Callable[..., Any], prompt: str, num_frames: int, *, negative_prompt: str | None, **options: Any
    ) -> Any:
        """Encode the prompts of FreeNoise with its own `encode`, which calls this for each of the two."""
        by_frame, negative = travelling(prompt, num_frames), travelling(negative_prompt or "", num_frames)
        texts = [text for one in (by_frame, negative) for text in (one.values() if isinstance(one, dict) else (one,))]
        self.least = max(len(self._chunks(read_prompt(text))) for text in texts)
        try:
            return encode(by_frame, num_frames, negative_prompt=negative, **options)
        finally:
            self.least = 1

    @property
    def _room(self) -> int:
        """Return how many tokens of text the encoder reads at once."""
        tokenizer, config = self._pipeline.tokenizer, self._pipeline.text_encoder.config
        return min(tokenizer.model_max_length, config.max_position_embeddings) - 2

    def _chunks(self, read: Weighted) -> list[Chunk]:
        """Cut a prompt into chunks that the text encoder can read."""
        found = [chunk for fragments in read.chunks for chunk in self._cut(fragments)]
        return found[:MAX_CHUNKS]

    def _cut(self, fragments: Sequence[Fragment]) -> list[Chunk]:
        ids, weights = self._tokens(fragments)
        comma = self._pipeline.tokenizer.convert_tokens_to_ids(",</w>")
        found, start, room = [], 0, self._room
        while start == 0 or start < len(ids):
            end = start + room
            if end < len(ids) and comma in ids[end - min(BACK, room - 1) : end]:
                end = next(place for place in range(end, start, -1) if ids[place - 1] == comma)
            found.append((ids[start:end], weights[start:end]))
            start = end
        return found

    def _tokens(self, fragments: Sequence[Fragment]) -> Chunk:
        ids: list[int] = []
        weights: list[float] = []
        tokenizer = self._pipeline.tokenizer
        for fragment in fragments:
            text = self._pipeline.maybe_convert_prompt(fragment.text, tokenizer)  # embeddings of several tokens
            more = tokenizer(text, add_special_tokens=False, verbose=False).input_ids
            ids += more
            weights += [fragment.weight] * len(more)
        return ids, weights

    def _embed(self, texts: Sequence[Weighted], chunks: int, device: Any) -> Any:
        """Return the embeddings of prompts, `[B, chunks * tokens, C]`; empty chunks fill up the shorter ones."""
        import torch

        empty = self._encoded([], [[]], device)
        rows = []
        for read in texts:
            parts = [self._weighted(ids, weights, empty, device) for ids, weights in self._chunks(read)]
            rows.append(torch.cat([*parts, *[empty] * (chunks - len(parts))], dim=1))
        return torch.cat(rows)

    def _weighted(self, ids: list[int], weights: list[float], empty: Any, device: Any) -> Any:
        """Return the weighted embeddings of a chunk, `[1, tokens, C]`."""
        levels = _levels(weights)
        spans = [after - before for before, after in pairwise(levels)]
        made = self._encoded(ids, [[int(weight > level) for weight in weights] for level in levels[:-1]], device)
        mixed = (made * made.new_tensor(spans).reshape(-1, 1, 1)).sum(dim=0, keepdim=True) if len(spans) > 1 else made
        if any(weight != 1 for weight in weights):
            text, factors = slice(1, 1 + len(weights)), made.new_tensor(weights).reshape(1, -1, 1)
            mixed[:, text] = empty[:, text] + factors * (mixed[:, text] - empty[:, text])
        return mixed

    def _encoded(self, ids: list[int], seen: list[list[int]], device: Any) -> Any:
        """Return the embeddings of a chunk, `[len(seen), tokens, C]`, padded as the tokenizer does.

        Args:
            seen: for each result, which of the tokens the others attend to: 1 or 0.
        """
        import torch

        tokenizer, encoder = self._pipeline.tokenizer, self._pipeline.text_encoder
        padding = self._room - len(ids)
        full = [tokenizer.bos_token_id, *ids, tokenizer.eos_token_id, *[tokenizer.pad_token_id] * padding]
        pad = 1 - int(getattr(encoder.config, "use_attention_mask", False))
        masks = torch.tensor([[1, *row, 1, *[pad] * padding] for row in seen], device=device)
        batch = torch.tensor([full] * len(seen), device=device)
        made = encoder(batch, attention_mask=None if masks.all() else masks)[0]
        return made.to(dtype=encoder.dtype, device=device)


def _levels(weights: Sequence[float]) -> list[float]:
    """Return the weights below 1 in order, between 0 and 1; rounded if there are too many of them."""
    below = {weight for weight in weights if weight < 1}
    if len(below) > MAX_LEVELS:
        below = {round(weight, 1) for weight in below}
    return sorted({0.0, 1.0, *below})


def travelling(prompt: str, frames: int) -> str | dict[int, str]:
    """Return a prompt as FreeNoise takes it: by frame, if it changes over time."""
    keys = read_travel(prompt)
    return at_frames(keys, frames) if keys and frames > 1 else prompt


def whole_clip(frames: int, *prompts: str) -> tuple[int, int] | None:
    """Return a window of FreeNoise over all frames if a prompt changes over time: only FreeNoise takes it by frame."""
    return (frames, frames) if frames > 1 and any(map(read_travel, prompts)) else None


def _listed(prompt: Any) -> list[str]:
    return [prompt] if isinstance(prompt, str) else list(prompt)


def _alike(prompt: Any, read: Sequence[Weighted]) -> Any:
    """Return plain prompts in the form in which they were given."""
    if prompt is None:
        return None
    return read[0].plain if isinstance(prompt, str) else [one.plain for one in read]
