"""The tiny world's CLIP text side: a byte-level tokenizer for any text, and an encoder trained on word meanings.

    python -m workers.tiny.training.text --steps 3000

The encoder is trained on words alone, before any image: linear readers of its last hidden states have to predict the
scene's attributes. Diffusion then gets embeddings in which every attribute is already separated, and can spend its time
on images. Resumes from var/train/text.pt.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers
from tqdm import tqdm
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from workers.tiny.training import checkpoints
from workers.tiny.world.prompts import corpus, describe
from workers.tiny.world.scenes import BACKGROUNDS, COLOURS, MOTIONS, SHAPES, SIZES, sample_scene

FOLDER = Path("var/train/text")
CHECKPOINT = Path("var/train/text.pt")
PEAK_RATE, BATCH = 2e-3, 48
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
    """Return the untrained text encoder: hidden size 128, two layers, 48 positions."""
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
    """Return token ids as in the pipelines: int64 [len(sentences), 48], padded with the end token and cut."""
    return tokenizer(
        sentences, padding="max_length", max_length=POSITIONS, truncation=True, return_tensors="pt"
    ).input_ids


class Readers(torch.nn.Module):
    """One linear reader per attribute, applied to single hidden states; discarded after training."""

    def __init__(self):
        super().__init__()
        self.heads = torch.nn.ModuleDict({name: torch.nn.Linear(WIDTH, len(v)) for name, v in ATTRIBUTES.items()})

    def forward(self, hidden: torch.Tensor, answers: dict[str, torch.Tensor]) -> tuple[torch.Tensor, dict]:
        """Return the cross-entropy over all readers of hidden [B, K, 128], and the accuracy per attribute."""
        loss, right = 0.0, {}
        for name, head in self.heads.items():
            logits = head(hidden).flatten(0, 1)
            target = answers[name].repeat_interleave(hidden.shape[1])
            loss = loss + torch.nn.functional.cross_entropy(logits, target, ignore_index=-1)
            said = target >= 0
            right[name] = (logits.argmax(1)[said] == target[said]).float().mean().item()
        return loss, right


def _batch(rng, count: int, held_out: bool = False):
    """Return sentences, and the index of each attribute's value in their scenes, whether mentioned or not."""
    scenes = [sample_scene(rng, held_out) for _ in range(count)]
    sentences = [describe(scene, rng, partial=not held_out) for scene in scenes]
    answers = {
        name: torch.tensor([values.index(getattr(scene, name)) for scene in scenes])
        for name, values in ATTRIBUTES.items()
    }
    return sentences, answers


class Trainer:
    """Trains the encoder; each padding position must know the whole sentence, as attention may look at any."""

    def __init__(self, steps: int):
        torch.manual_seed(0)
        self.steps = steps
        self.tokenizer = build_tokenizer(corpus())
        self.model = torch.nn.ModuleDict({"encoder": build_encoder(self.tokenizer), "readers": Readers()})
        self.optimiser = torch.optim.AdamW(self.model.parameters(), lr=PEAK_RATE, weight_decay=1e-2)
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(self.optimiser, PEAK_RATE, total_steps=steps)
        state = checkpoints.load_checkpoint(CHECKPOINT) or {"step": 0, "curves": {"loss": []}}
        self.step, self.curves = state["step"], state["curves"]
        for name, part in self._parts().items():
            if name in state:
                part.load_state_dict(state[name])

    def _parts(self) -> dict:
        return {"model": self.model, "optimiser": self.optimiser, "schedule": self.schedule}

    def run(self) -> None:
        bar = tqdm(total=self.steps, initial=self.step, mininterval=5)
        while self.step < self.steps:
            loss = self.train_step()
            self.step += 1
            bar.update()
            bar.set_postfix(loss=f"{loss:.3f}", refresh=False)
            if self.step % 20 == 0:
                self.curves["loss"].append((self.step, loss))
            if self.step % 250 == 0 or self.step == self.steps:
                self.save()
        bar.close()

    def train_step(self) -> float:
        """Run one optimizer step, whose data depends on the step number alone."""
        sentences, answers = _batch(np.random.default_rng([2, self.step]), BATCH)
        loss, _ = self.model["readers"](_summaries(self.model["encoder"], tokenize(self.tokenizer, sentences)), answers)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimiser.step()
        self.schedule.step()
        return loss.item()

    def save(self) -> None:
        """Save the checkpoint, the curve, and the folders that diffusion reads."""
        states = {name: part.state_dict() for name, part in self._parts().items()}
        checkpoints.save_checkpoint(CHECKPOINT, **states, step=self.step, curves=self.curves)
        checkpoints.plot_curves(FOLDER.parent / "text.png", self.curves, "text encoder")
        self.tokenizer.save_pretrained(FOLDER / "tokenizer")
        self.model["encoder"].save_pretrained(FOLDER / "text_encoder")

    @torch.no_grad()
    def measure(self, count: int = 500) -> dict[str, float]:
        """Return the share of held-out sentences in which each attribute is read correctly."""
        sentences, answers = _batch(np.random.default_rng(4), count, held_out=True)
        summaries = _summaries(self.model["encoder"].eval(), tokenize(self.tokenizer, sentences))
        return self.model["readers"](summaries, answers)[1]


def _summaries(encoder: CLIPTextModel, ids: torch.Tensor) -> torch.Tensor:
    """Return hidden states of the first end token and of three later ones: float32 [B, 4, 128]."""
    hidden = encoder(ids).last_hidden_state
    first = ids.argmax(dim=1)
    last = torch.full_like(first, POSITIONS - 1)
    places = torch.stack([first, (first + 2).minimum(last), (first + 7).minimum(last), last], dim=1)
    return hidden.gather(1, places[..., None].expand(-1, -1, WIDTH))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    trainer = Trainer(options.steps)
    trainer.run()
    print("held-out sentences read correctly:", {name: round(share, 3) for name, share in trainer.measure().items()})
