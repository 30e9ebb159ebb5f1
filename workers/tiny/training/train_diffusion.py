"""Trains the tiny text-to-video network: motion first, then the whole world, then whole clips.

    python -m workers.tiny.training.train_diffusion --minutes 100 [--device cuda]

Needs the text encoder (`workers.tiny.training.text`) and nothing else. Resumes from var/train/diffusion.pt. The logged
gaps show whether the network listens to words: by how many per cent the loss at t = 900 grows if one attribute's word
is replaced by a wrong one.
"""

import argparse
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from diffusers import DDIMScheduler, UNetMotionModel
from tqdm import tqdm
from transformers import CLIPTextModel, CLIPTokenizer

from workers.tiny.networks.diffusion import build_networks, build_scheduler, join_networks, network_sees
from workers.tiny.networks.latents import OBJECT_GAIN
from workers.tiny.training import checkpoints, text
from workers.tiny.training.lessons import FRAMES, Batch, Lesson, Teacher, sample_lesson
from workers.tiny.world.prompts import describe
from workers.tiny.world.scenes import BACKGROUNDS, COLOURS, MOTIONS, SHAPES, SIZES

FOLDER = Path("var/train")
CHECKPOINT = FOLDER / "diffusion.pt"
PEAK_RATE = 1e-3
OBJECT_WEIGHT = 4.0
SNR_LIMIT = 5.0
NO_TEXT = 0.1
TOKENS_SEEN = 8
FIELDS = {"shape": SHAPES, "colour": tuple(COLOURS), "size": SIZES, "motion": MOTIONS, "background": BACKGROUNDS}
# The curriculum. The first two parts are counted in steps, because motion must be learned before the world widens,
# whatever the machine's speed. A few frames from all over the clip teach motion at a fraction of the cost of all
# frames; the last part sees whole clips, as the pipeline will request.
SQUARE = {"square": 1.0}
EVERY_SHAPE = {"square": 0.7, "wide": 0.1, "tall": 0.08, "broad": 0.07, "high": 0.05}
# An object's direction is a joint function of a word, the frame number and the position; any two of them carry no
# information. Training on the whole world never left that saddle point in 5,000 steps. So straight lines come first, at
# noise so high that the image doesn't give away the answer, and directions are practised again between later lessons.
FIRST_STEPS, PLAIN_STEPS = 300, 600
FIRST = Lesson({"lines": 1.0}, SQUARE, frames=3, clips=24, least_noise=880)
PLAIN = Lesson({"plain": 0.5, "ways": 0.2, "first": 0.2, "lines": 0.1}, SQUARE, frames=6, clips=16)
PRACTICE = Lesson({"ways": 0.85, "lines": 0.15}, SQUARE, frames=5, clips=19, least_noise=600)
PRACTISED = 0.35
WORLD = Lesson({"world": 0.9, "plain": 0.1}, SQUARE, frames=6, clips=16)
WIDER = Lesson({"world": 0.95, "plain": 0.05}, EVERY_SHAPE, frames=6, clips=16)
WHOLE = Lesson({"world": 1.0}, EVERY_SHAPE, frames=FRAMES, clips=6)
WIDER_FROM, WHOLE_FROM = 0.5, 0.75  # shares of the budget


@dataclass
class Words:
    """The frozen text side: `embed` returns hidden states for sentences, float32 [B, 48, 128]."""

    tokenizer: CLIPTokenizer
    encoder: CLIPTextModel

    @classmethod
    def load(cls, device: str) -> "Words":
        encoder = CLIPTextModel.from_pretrained(text.FOLDER / "text_encoder").to(device).eval().requires_grad_(False)
        return cls(CLIPTokenizer.from_pretrained(text.FOLDER / "tokenizer"), encoder)

    @torch.no_grad()
    def embed(self, sentences: list[str]) -> torch.Tensor:
        ids = text.tokenize(self.tokenizer, sentences)
        return self.encoder(ids.to(self.encoder.device)).last_hidden_state


class Noise:
    """The forward process of the bundled scheduler, with v as the target."""

    def __init__(self, scheduler: DDIMScheduler, device: str):
        self.alphas = scheduler.alphas_cumprod.to(device)

    def apply(self, clean: torch.Tensor, noise: torch.Tensor, t: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return noisy latents at steps t (int64 [B]) and the velocity that the network must predict."""
        signal = self.alphas[t].sqrt().view(-1, 1, 1, 1, 1)
        rest = (1.0 - self.alphas[t]).sqrt().view(-1, 1, 1, 1, 1)
        return signal * clean + rest * noise, signal * noise - rest * clean

    def weight(self, t: torch.Tensor) -> torch.Tensor:
        """Return min-SNR weights of the velocity error: 1 at high noise, less where denoising is easy."""
        ratio = self.alphas[t] / (1.0 - self.alphas[t])
        return ((ratio.clamp(max=SNR_LIMIT) + 1.0) / (ratio + 1.0)).view(-1, 1, 1, 1, 1)


def predict(network: UNetMotionModel, noisy: torch.Tensor, t: torch.Tensor, hidden: torch.Tensor) -> torch.Tensor:
    """Return the network's velocity, computed in bfloat16: float32 [B, 18, F, h, w]."""
    hidden = hidden.repeat_interleave(noisy.shape[2], dim=0)
    with torch.autocast(noisy.device.type, dtype=torch.bfloat16):
        return network(noisy, t, hidden).sample.float()


def object_weights(clean: torch.Tensor) -> torch.Tensor:
    """Return loss weights for positions of clean latents [B, 18, F, h, w]: more in and around the object; mean 1."""
    disc = clean[:, :1] / OBJECT_GAIN
    weights = 1.0 + OBJECT_WEIGHT * torch.nn.functional.max_pool3d(disc, (1, 3, 3), stride=1, padding=(0, 1, 1))
    return weights / weights.mean()


class Gaps:
    """Measures, on fixed clips and fixed noise, how much worse the network does with one wrong word.

    Motions are measured pair by pair: a mean would hide a pair that is not told apart at all.
    """

    PAIRS = (("moving left", "moving right"), ("rising", "falling"), ("growing", "shrinking"), ("spinning", "circling"))
    T = 930

    def __init__(self, words: Words, noise: Noise, device: str, count: int = 16):
        rng, generator = np.random.default_rng(5), torch.Generator().manual_seed(5)
        teacher, self.rows = Teacher(rng), {}
        self.frames = torch.tensor([0, 3, 6, 10, 13, 16], device=device)
        for name, asked, wrong in self._sets(rng, count):
            clips = [teacher.clip(scene, "square", self.frames.cpu().numpy()) for scene in asked]
            clean = torch.from_numpy(np.stack(clips)).to(device)
            t = torch.full((count,), self.T, device=device)
            noisy, target = noise.apply(clean, torch.randn(clean.shape, generator=generator).to(device), t)
            hidden = [words.embed([self._say(scene) for scene in scenes])[:, ::4] for scenes in (asked, wrong)]
            self.rows[name] = (noisy, target, object_weights(clean), t, hidden)

    def _sets(self, rng: np.random.Generator, count: int):
        """Return the name, the scenes, and the same scenes with one attribute misdescribed."""
        for name, values in FIELDS.items():
            if name != "motion":
                asked = [sample_lesson("world", rng) for _ in range(count)]
                other = [values[values.index(getattr(scene, name)) ^ 1] for scene in asked]
                yield name, asked, [replace(s, **{name: value}) for s, value in zip(asked, other, strict=True)]
        for pair in self.PAIRS:
            shape = {"shape": "square"} if "spinning" in pair else {}
            scenes = [replace(sample_lesson("world", rng), **shape) for _ in range(count)]
            first, second = ([replace(s, motion=pair[(i + k) % 2]) for i, s in enumerate(scenes)] for k in (0, 1))
            yield f"{pair[0]}/{pair[1]}", first, second

    @staticmethod
    def _say(scene) -> str:
        return describe(scene, np.random.default_rng(scene.seed), partial=False)

    @torch.no_grad()
    def measure(self, network: UNetMotionModel) -> dict[str, float]:
        """Return, for each attribute, by how many per cent a wrong word raises the weighted loss."""
        network_sees(network, self.frames)
        gaps = {}
        for name, (noisy, target, weights, t, hidden) in self.rows.items():
            right, wrong = (
                ((predict(network, noisy, t, words) - target).square() * weights).mean().item() for words in hidden
            )
            gaps[name] = 100 * (wrong / right - 1)
        return gaps


class Trainer:
    """The complete state of one training; `run` continues until the budget is spent."""

    def __init__(self, minutes: float, device: str):
        torch.manual_seed(0)
        self.device = device
        self.words = Words.load(device)
        self.noise = Noise(build_scheduler(), device)
        self.network = join_networks(*build_networks()).to(device)
        self.average = checkpoints.Average(self.network, 0.999)
        self.optimiser = torch.optim.AdamW(
            self.network.parameters(), lr=PEAK_RATE, betas=(0.9, 0.99), weight_decay=0.01, fused=True
        )
        state = checkpoints.load_checkpoint(CHECKPOINT, device) or {"step": 0, "spent": 0.0, "curves": {"loss": []}}
        self.step, self.curves = state["step"], state["curves"]
        if "model" in state:
            self.network.load_state_dict(state["model"])
            self.average.model.load_state_dict(state["average"])
            self.optimiser.load_state_dict(state["optimiser"])
            torch.manual_seed(self.step)
        self.budget = checkpoints.Budget(minutes, state["spent"])
        self.teacher = Teacher(np.random.default_rng([3, self.step]))
        self.silence = self.words.embed([""])
        self.gaps = Gaps(self.words, self.noise, device)

    def run(self) -> None:
        bar = tqdm(total=round(self.budget.total), initial=round(self.budget.spent), unit="s", mininterval=10)
        recent = []
        while self.budget.progress < 1.0:
            recent.append(self.train_step())
            self.step += 1
            bar.set_postfix(step=self.step, loss=f"{np.mean(recent[-50:]):.3f}", refresh=False)
            bar.update(round(self.budget.spent) - bar.n)
            if self.step % 100 == 0:
                self.curves["loss"].append((self.step, float(np.mean(recent[-100:]))))
            if self.step % 150 == 0 or self.budget.progress >= 1.0:
                self.report()
        bar.close()

    def train_step(self) -> float:
        """Run one optimizer step on one batch; return its loss."""
        progress = self.budget.progress
        rate = PEAK_RATE * min(1.0, (self.step + 1) / 100) * (0.02 + 0.98 * np.cos(0.5 * np.pi * progress) ** 2)
        for group in self.optimiser.param_groups:
            group["lr"] = float(rate)
        loss = self.loss(self.teacher.batch(self.lesson()))
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimiser.step()
        self.average.update(self.network, self.step)
        return loss.item()

    def lesson(self) -> Lesson:
        """Return the current lesson."""
        if self.step < PLAIN_STEPS:
            return FIRST if self.step < FIRST_STEPS else PLAIN
        if self.budget.progress >= WHOLE_FROM:
            return WHOLE
        if self.teacher.rng.random() < PRACTISED:
            return PRACTICE
        return WORLD if self.budget.progress < WIDER_FROM else WIDER

    def loss(self, batch: Batch) -> torch.Tensor:
        """Return the velocity error, weighted towards the object and by min-SNR, at steps drawn towards high noise."""
        clean = torch.from_numpy(batch.latents).to(self.device)
        count = len(clean)
        hidden = self.words.embed(batch.sentences)
        silent = torch.rand(count, 1, 1, device=self.device) < NO_TEXT
        hidden = torch.where(silent, self.silence, hidden)[:, torch.randperm(text.POSITIONS)[:TOKENS_SEEN]]
        spread = (torch.arange(count, device=self.device) + torch.rand(count, device=self.device)) / count
        t = (batch.least_noise + (1000 - batch.least_noise) * spread**0.6).long().clamp(max=999)
        noisy, target = self.noise.apply(clean, torch.randn_like(clean), t)
        network_sees(self.network, torch.from_numpy(batch.frames).to(self.device))
        error = (predict(self.network, noisy, t, hidden) - target).square()
        return (self.noise.weight(t) * object_weights(clean) * error).mean()

    def report(self) -> None:
        """Measure the gaps, save the checkpoint and the curves."""
        for name, value in self.gaps.measure(self.network).items():
            self.curves.setdefault(name, []).append((self.step, max(value, 0.01)))
        line = " ".join(f"{name} {points[-1][1]:+.1f}%" for name, points in self.curves.items() if name != "loss")
        tqdm.write(f"step {self.step} {self.budget.spent:.0f} s: {line}")
        parts = {"model": self.network, "average": self.average.model, "optimiser": self.optimiser}
        parts = {name: part.state_dict() for name, part in parts.items()}
        checkpoints.save_checkpoint(CHECKPOINT, **parts, step=self.step, spent=self.budget.spent, curves=self.curves)
        checkpoints.plot_curves(FOLDER / "diffusion.png", self.curves, "text to video: loss, and gaps in %")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=100.0)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    Trainer(options.minutes, options.device).run()
