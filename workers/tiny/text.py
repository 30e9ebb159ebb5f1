"""The tiny world's CLIP text side: a byte-level tokenizer that accepts any text, and an encoder taught what words mean.

    python -m workers.tiny.text --steps 2500

The encoder is trained on words alone, before any picture: linear readers of its last hidden states have to name the
scene's attributes. Diffusion then receives embeddings in which every attribute is already laid out, and spends its
time on pictures.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers
from tqdm import trange
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from workers.tiny.prompts import describe
from workers.tiny.world import BACKGROUNDS, COLOURS, MOTIONS, SHAPES, SIZES, sample_scene

FOLDER = Path("var/train/text")
POSITIONS = 48
WIDTH = 128
START, END = "<|startoftext|>", "<|endoftext|>"
ATTRIBUTES = {
    "background": BACKGROUNDS,
    "colour": tuple(COLOURS),
    "shape": SHAPES,
    "size": SIZES,
    "motion": MOTIONS,
}


def build_tokenizer(sentences: list[str], merges: int = 500) -> CLIPTokenizer:
    """Learn byte pairs from sentences; every byte is in the vocabulary, so no text is ever unknown."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    learner = Tokenizer(models.BPE(end_of_word_suffix="</w>"))
    learner.normalizer = normalizers.Lowercase()
    split = pre_tokenizers.Split(Regex(r"\p{L}+|[^\s\p{L}]+"), "removed", invert=True)
    learner.pre_tokenizer = pre_tokenizers.Sequence([split, pre_tokenizers.ByteLevel(add_prefix_space=False)])
    trainer = trainers.BpeTrainer(
        vocab_size=2 * len(alphabet) + merges, initial_alphabet=alphabet, end_of_word_suffix="</w>", show_progress=False
    )
    learner.train_from_iterator(sentences, trainer)
    pairs = [tuple(pair) for pair in _merges(learner)]
    words = alphabet + [letter + "</w>" for letter in alphabet] + ["".join(pair) for pair in pairs] + [START, END]
    vocabulary = {word: index for index, word in enumerate(dict.fromkeys(words))}
    return CLIPTokenizer(vocab=vocabulary, merges=pairs, model_max_length=POSITIONS)


def _merges(learner: Tokenizer) -> list:
    import json

    return json.loads(learner.to_str())["model"]["merges"]


def build_encoder(tokenizer: CLIPTokenizer) -> CLIPTextModel:
    """The untrained text encoder: hidden size 128, two layers, 48 positions."""
    config = CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=WIDTH,
        intermediate_size=4 * WIDTH,
        projection_dim=WIDTH,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=POSITIONS,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        attention_dropout=0.0,
    )
    return CLIPTextModel(config)


def tokenize(tokenizer: CLIPTokenizer, sentences: list[str]) -> torch.Tensor:
    """Token ids as the pipelines make them: int64 [len(sentences), 48], padded with the end token and cut."""
    return tokenizer(
        sentences, padding="max_length", max_length=POSITIONS, truncation=True, return_tensors="pt"
    ).input_ids


class Readers(torch.nn.Module):
    """One linear reader per attribute, applied to single hidden states; thrown away after training."""

    def __init__(self):
        super().__init__()
        self.heads = torch.nn.ModuleDict({name: torch.nn.Linear(WIDTH, len(v)) for name, v in ATTRIBUTES.items()})

    def forward(self, hidden: torch.Tensor, answers: dict[str, torch.Tensor]) -> tuple[torch.Tensor, dict]:
        """Cross-entropy over all readers of hidden [B, K, 128], and the share of right answers per attribute."""
        loss, right = 0.0, {}
        for name, head in self.heads.items():
            logits = head(hidden).flatten(0, 1)
            target = answers[name].repeat_interleave(hidden.shape[1])
            loss = loss + torch.nn.functional.cross_entropy(logits, target, ignore_index=-1)
            said = target >= 0
            right[name] = (logits.argmax(1)[said] == target[said]).float().mean().item()
        return loss, right


def _batch(rng, count: int, held_out: bool = False):
    """Sentences and what they say: index of each attribute's value, -1 where the sentence leaves it out."""
    scenes = [sample_scene(rng, held_out) for _ in range(count)]
    sentences = [describe(scene, rng, partial=not held_out) for scene in scenes]
    answers = {
        name: torch.tensor([values.index(getattr(scene, name)) for scene in scenes])
        for name, values in ATTRIBUTES.items()
    }
    return sentences, answers


def train(steps: int, threads: int) -> None:
    """Teach the encoder; every padding position has to know the whole sentence, so that attention may look at any."""
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    rng = np.random.default_rng(2)
    tokenizer = build_tokenizer(_batch(rng, 6000)[0])
    encoder, readers = build_encoder(tokenizer), Readers()
    parameters = [*encoder.parameters(), *readers.parameters()]
    optimiser = torch.optim.AdamW(parameters, lr=1e-3, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 2e-3, total_steps=steps)
    bar = trange(steps, mininterval=5)
    for _ in bar:
        sentences, answers = _batch(rng, 48)
        loss, right = readers(_summaries(encoder, tokenize(tokenizer, sentences)), answers)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimiser.step()
        schedule.step()
        bar.set_postfix(loss=f"{loss.item():.3f}", refresh=False)
    with torch.no_grad():
        sentences, answers = _batch(rng, 500, held_out=True)
        _, right = readers(_summaries(encoder.eval(), tokenize(tokenizer, sentences)), answers)
    print("held-out sentences read correctly:", {name: round(share, 3) for name, share in right.items()})
    tokenizer.save_pretrained(FOLDER / "tokenizer")
    encoder.save_pretrained(FOLDER / "text_encoder")


def _summaries(encoder: CLIPTextModel, ids: torch.Tensor) -> torch.Tensor:
    """Hidden states of the first end token and of three later ones: float32 [B, 4, 128]."""
    hidden = encoder(ids).last_hidden_state
    first = ids.argmax(dim=1)
    last = torch.full_like(first, POSITIONS - 1)
    places = torch.stack([first, (first + 2).minimum(last), (first + 7).minimum(last), last], dim=1)
    return hidden.gather(1, places[..., None].expand(-1, -1, WIDTH))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=2500)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    train(options.steps, options.threads)
