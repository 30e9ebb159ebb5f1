"""Train the tiny text-to-video network: motion first, then the whole world, then whole clips.

    python -m workers.tiny.train_diffusion --minutes 100 [--device cuda]

Needs the text encoder (`workers.tiny.text`) and nothing else. Resumes from var/train/diffusion.pt. The log's gaps say
whether words are listened to: how much the loss at t = 900 grows, in per cent, when one attribute's word is exchanged
for a wrong one.
"""

import argparse
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from diffusers import DDIMScheduler, UNetMotionModel
from tqdm import tqdm
from transformers import CLIPTextModel, CLIPTokenizer

from workers.tiny import text, training
from workers.tiny.diffusion import build_networks, build_scheduler, join_networks, network_sees
from workers.tiny.latents import OBJECT_GAIN
from workers.tiny.lessons import FRAMES, Batch, Lesson, Teacher
from workers.tiny.prompts import describe
from workers.tiny.world import BACKGROUNDS, COLOURS, MOTIONS, SHAPES, SIZES

FOLDER = Path("var/train")
CHECKPOINT = FOLDER / "diffusion.pt"
PEAK_RATE = 1e-3
OBJECT_WEIGHT = 4.0
SNR_LIMIT = 5.0
NO_TEXT = 0.1
TOKENS_SEEN = 8
FIELDS = {"shape": SHAPES, "colour": tuple(COLOURS), "size": SIZES, "motion": MOTIONS, "background": BACKGROUNDS}
# The curriculum. Its first two parts are counted in steps, because motion has to be learnt before the world widens,
# however fast the machine is. A few frames from all over the clip teach motion at a fraction of the price of them all;
# the last part sees whole clips, which is what the pipeline will ask for.
SQUARE = {"square": 1.0}
EVERY_SHAPE = {"square": 0.7, "wide": 0.1, "tall": 0.08, "broad": 0.07, "high": 0.05}
FIRST_STEPS, PLAIN_STEPS = 300, 900
FIRST = Lesson({"first": 1.0}, SQUARE, frames=6, clips=16)
PLAIN = Lesson({"plain": 0.8, "first": 0.2}, SQUARE, frames=6, clips=16)
WORLD = Lesson({"world": 0.9, "plain": 0.1}, SQUARE, frames=6, clips=16)
WIDER = Lesson({"world": 0.95, "plain": 0.05}, EVERY_SHAPE, frames=6, clips=16)
WHOLE = Lesson({"world": 1.0}, EVERY_SHAPE, frames=FRAMES, clips=6)
WIDER_FROM, WHOLE_FROM = 0.5, 0.75  # shares of the budget


@dataclass
class Words:
    """The frozen text side: `embed` gives hidden states for sentences, float32 [B, 48, 128]."""

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
    """The forward process of the scheduler that ships, with v as the target."""

    def __init__(self, scheduler: DDIMScheduler, device: str):
        self.alphas = scheduler.alphas_cumprod.to(device)

    def apply(self, clean: torch.Tensor, noise: torch.Tensor, t: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Noisy latents at steps t (int64 [B]) and the velocity that the network has to name."""
        signal = self.alphas[t].sqrt().view(-1, 1, 1, 1, 1)
        rest = (1.0 - self.alphas[t]).sqrt().view(-1, 1, 1, 1, 1)
        return signal * clean + rest * noise, signal * noise - rest * clean

    def weight(self, t: torch.Tensor) -> torch.Tensor:
        """Min-SNR weights of the velocity's error: 1 at high noise, less where denoising is easy."""
        ratio = self.alphas[t] / (1.0 - self.alphas[t])
        return ((ratio.clamp(max=SNR_LIMIT) + 1.0) / (ratio + 1.0)).view(-1, 1, 1, 1, 1)


def predict(network: UNetMotionModel, noisy: torch.Tensor, t: torch.Tensor, hidden: torch.Tensor) -> torch.Tensor:
    """The network's velocity in bfloat16 arithmetic: float32 [B, 18, F, h, w]."""
    hidden = hidden.repeat_interleave(noisy.shape[2], dim=0)
    with torch.autocast(noisy.device.type, dtype=torch.bfloat16):
        return network(noisy, t, hidden).sample.float()


def object_weights(clean: torch.Tensor) -> torch.Tensor:
    """How much each place of clean latents [B, 18, F, h, w] counts: more in and around the object; mean 1."""
    disc = clean[:, :1] / OBJECT_GAIN
    weights = 1.0 + OBJECT_WEIGHT * torch.nn.functional.max_pool3d(disc, (1, 3, 3), stride=1, padding=(0, 1, 1))
    return weights / weights.mean()


class Gaps:
    """Measures, on fixed clips and fixed noise, how much worse the network does with one wrong word."""

    def __init__(self, words: Words, lesson: Lesson, noise: Noise, device: str):
        rng = np.random.default_rng(5)
        batch = Teacher(rng).batch(replace(lesson, shapes=SQUARE, clips=24))
        generator = torch.Generator().manual_seed(5)
        self.frames = torch.from_numpy(batch.frames).to(device)
        clean = torch.from_numpy(batch.latents).to(device)
        self.weights = object_weights(clean)
        self.t = torch.full((len(clean),), 900, device=device)
        sample = torch.randn(clean.shape, generator=generator).to(device)
        self.noisy, self.target = noise.apply(clean, sample, self.t)
        self.hidden = {"right": words.embed([self._say(scene) for scene in batch.scenes])}
        for name, values in FIELDS.items():
            wrong = [replace(s, **{name: values[values.index(getattr(s, name)) ^ 1]}) for s in batch.scenes]
            self.hidden[name] = words.embed([self._say(scene) for scene in wrong])

    @staticmethod
    def _say(scene) -> str:
        return describe(scene, np.random.default_rng(scene.seed), partial=False)

    @torch.no_grad()
    def measure(self, network: UNetMotionModel) -> dict[str, float]:
        """The weighted loss with the right words, and for each attribute how much a wrong word adds, in per cent."""
        network_sees(network, self.frames)
        losses = {}
        for name, hidden in self.hidden.items():
            error = (predict(network, self.noisy, self.t, hidden[:, ::4]) - self.target).square()
            losses[name] = (error * self.weights).mean().item()
        right = losses.pop("right")
        return {"right": right, **{name: 100 * (loss / right - 1) for name, loss in losses.items()}}


class Trainer:
    """Everything one training holds; `run` goes on until the budget is spent."""

    def __init__(self, minutes: float, device: str):
        torch.manual_seed(0)
        self.device = device
        self.words = Words.load(device)
        self.noise = Noise(build_scheduler(), device)
        self.network = join_networks(*build_networks()).to(device)
        self.average = training.Average(self.network, 0.999)
        self.optimiser = torch.optim.AdamW(
            self.network.parameters(), lr=PEAK_RATE, betas=(0.9, 0.99), weight_decay=0.01, fused=True
        )
        state = training.load_checkpoint(CHECKPOINT, device) or {"step": 0, "spent": 0.0, "curves": {"loss": []}}
        self.step, self.curves = state["step"], state["curves"]
        if "model" in state:
            self.network.load_state_dict(state["model"])
            self.average.model.load_state_dict(state["average"])
            self.optimiser.load_state_dict(state["optimiser"])
            torch.manual_seed(self.step)
        self.budget = training.Budget(minutes, state["spent"])
        self.teacher = Teacher(np.random.default_rng([3, self.step]))
        self.silence = self.words.embed([""])

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
        """One optimiser step on one batch; gives its loss."""
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
        """What to show now."""
        if self.step < PLAIN_STEPS:
            return FIRST if self.step < FIRST_STEPS else PLAIN
        if self.budget.progress < WIDER_FROM:
            return WORLD
        return WIDER if self.budget.progress < WHOLE_FROM else WHOLE

    def loss(self, batch: Batch) -> torch.Tensor:
        """Velocity error, weighed towards the object and by min-SNR, at steps drawn towards high noise."""
        clean = torch.from_numpy(batch.latents).to(self.device)
        count = len(clean)
        hidden = self.words.embed(batch.sentences)
        silent = torch.rand(count, 1, 1, device=self.device) < NO_TEXT
        hidden = torch.where(silent, self.silence, hidden)[:, torch.randperm(text.POSITIONS)[:TOKENS_SEEN]]
        spread = (torch.arange(count, device=self.device) + torch.rand(count, device=self.device)) / count
        t = (1000 * spread**0.6).long().clamp(max=999)
        noisy, target = self.noise.apply(clean, torch.randn_like(clean), t)
        network_sees(self.network, torch.from_numpy(batch.frames).to(self.device))
        error = (predict(self.network, noisy, t, hidden) - target).square()
        return (self.noise.weight(t) * object_weights(clean) * error).mean()

    def report(self) -> None:
        """Measure the gaps, save the checkpoint and the curves."""
        figures = Gaps(self.words, self.lesson(), self.noise, self.device).measure(self.network)
        for name, value in figures.items():
            self.curves.setdefault(name, []).append((self.step, max(value, 0.01)))
        line = " ".join(f"{name} {value:+.2f}%" for name, value in figures.items() if name != "right")
        tqdm.write(f"step {self.step} {self.budget.spent:.0f} s: right {figures['right']:.3f}, wrong {line}")
        parts = {"model": self.network, "average": self.average.model, "optimiser": self.optimiser}
        parts = {name: part.state_dict() for name, part in parts.items()}
        training.save_checkpoint(CHECKPOINT, **parts, step=self.step, spent=self.budget.spent, curves=self.curves)
        training.plot_curves(FOLDER / "diffusion.png", self.curves, "text to video: loss, and gaps in %")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=100.0)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    Trainer(options.minutes, options.device).run()
