"""Train the tiny text-to-video network on cached latents: motion first, then the whole world, then longer clips.

    python -m workers.tiny.train_diffusion --minutes 80 [--device cuda]

Resumes from var/train/diffusion.pt. The log's gaps say whether words are listened to: how much the loss at t = 900
grows, in per cent, when one attribute's word is exchanged for a wrong one.
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
from workers.tiny.clips import FIELDS, Shard, load_shard
from workers.tiny.clips import FOLDER as CLIPS
from workers.tiny.diffusion import build_networks, build_scheduler, join_networks
from workers.tiny.prompts import describe

FOLDER = Path("var/train")
CHECKPOINT = FOLDER / "diffusion.pt"
PEAK_RATE = 1e-3
OBJECT_WEIGHT = 3.0
SNR_LIMIT = 5.0
NO_TEXT = 0.1
TOKENS_SEEN = 16
# The curriculum: how often each kind of shard is drawn. Its first two parts are counted in steps, because motion has
# to be learnt before the world widens, however fast the machine is.
FIRST_STEPS, PLAIN_STEPS = 360, 660
FIRST = {"first": 1.0}
PLAIN = {"plain": 0.8, "first": 0.2}
WORLD = {"world": 0.85, "plain": 0.15}
FINAL = {"world": 0.83, "plain": 0.05, "wide": 0.06, "tall": 0.06}
FINAL_FROM = 0.66  # share of the budget from which clips come in other aspect ratios and mostly whole
WHOLE_CLIPS = 0.8


@dataclass
class Words:
    """The frozen text side: `embed` gives hidden states for token ids, float32 [B, 48, 128]."""

    tokenizer: CLIPTokenizer
    encoder: CLIPTextModel

    @classmethod
    def load(cls, device: str) -> "Words":
        encoder = CLIPTextModel.from_pretrained(text.FOLDER / "text_encoder").to(device).eval().requires_grad_(False)
        return cls(CLIPTokenizer.from_pretrained(text.FOLDER / "tokenizer"), encoder)

    def ids(self, sentences: list[str]) -> torch.Tensor:
        return text.tokenize(self.tokenizer, sentences)

    @torch.no_grad()
    def embed(self, ids: torch.Tensor) -> torch.Tensor:
        return self.encoder(ids.to(self.encoder.device)).last_hidden_state


class Shards:
    """The cached clips by stage; what is written while training runs is picked up by `refresh`."""

    def __init__(self):
        self.stages: dict[str, dict[str, Shard]] = {}
        self.refresh()

    def refresh(self) -> None:
        for path in sorted(CLIPS.glob("*.safetensors")):
            shards = self.stages.setdefault(path.name.split("-")[0], {})
            if path.name not in shards:
                shards[path.name] = load_shard(path)

    def sample(self, rng: np.random.Generator, chances: dict[str, float], count: int, frames: int):
        """Latents [B, 8, frames, h, w], masks [B, 1, frames, h, w] and ids [B, 48] of clips from one shard."""
        names = [name for name in chances if name in self.stages]
        weights = np.array([chances[name] for name in names])
        shards = list(self.stages[rng.choice(names, p=weights / weights.sum())].values())
        shard = shards[rng.integers(len(shards))]
        rows = torch.from_numpy(rng.integers(len(shard.latents), size=count))
        ids = shard.ids[rows, torch.from_numpy(rng.integers(shard.ids.shape[1], size=count))]
        return shard.latents[rows, :, :frames], shard.masks[rows, :, :frames], ids


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
    """The network's velocity in bfloat16 arithmetic: float32 [B, 8, F, h, w]."""
    hidden = hidden.repeat_interleave(noisy.shape[2], dim=0)
    with torch.autocast(noisy.device.type, dtype=torch.bfloat16):
        return network(noisy, t, hidden).sample.float()


class Gaps:
    """Measures, on fixed clips and fixed noise, how much worse the network does with one wrong word."""

    def __init__(self, words: Words, shard: Shard, noise: Noise, device: str, count: int = 16, frames: int = 8):
        generator = torch.Generator().manual_seed(5)
        self.clean = shard.latents[:count, :, :frames].to(device)
        self.mask = shard.masks[:count, :, :frames].to(device)
        self.t = torch.full((count,), 900, device=device)
        sample = torch.randn(self.clean.shape, generator=generator).to(device)
        self.noisy, self.target = noise.apply(self.clean, sample, self.t)
        self.hidden = {"right": words.embed(words.ids([self._say(scene) for scene in shard.scenes[:count]]))}
        for name, values in FIELDS.items():
            wrong = [replace(s, **{name: values[values.index(getattr(s, name)) ^ 1]}) for s in shard.scenes[:count]]
            self.hidden[name] = words.embed(words.ids([self._say(scene) for scene in wrong]))

    @staticmethod
    def _say(scene) -> str:
        return describe(scene, np.random.default_rng(scene.seed), partial=False)

    @torch.no_grad()
    def measure(self, network: UNetMotionModel) -> dict[str, float]:
        """The weighted loss with the right words, and for each attribute how much a wrong word adds, in per cent."""
        losses = {}
        for name, hidden in self.hidden.items():
            error = (predict(network, self.noisy, self.t, hidden) - self.target).square()
            losses[name] = (error * (1.0 + OBJECT_WEIGHT * self.mask)).mean().item()
        right = losses.pop("right")
        return {"right": right, **{name: 100 * (loss / right - 1) for name, loss in losses.items()}}


class Trainer:
    """Everything one training holds; `run` goes on until the budget is spent."""

    def __init__(self, minutes: float, device: str, batch: int):
        torch.manual_seed(0)
        self.device, self.batch = device, batch
        self.words, self.shards = Words.load(device), Shards()
        self.noise = Noise(build_scheduler(), device)
        self.network = join_networks(*build_networks()).to(device)
        self.average = training.Average(self.network, 0.998)
        self.optimiser = torch.optim.AdamW(
            self.network.parameters(), lr=PEAK_RATE, betas=(0.9, 0.99), weight_decay=0.01
        )
        state = training.load_checkpoint(CHECKPOINT, device) or {"step": 0, "spent": 0.0, "curves": {"loss": []}}
        self.step, self.curves = state["step"], state["curves"]
        if "model" in state:
            self.network.load_state_dict(state["model"])
            self.average.model.load_state_dict(state["average"])
            self.optimiser.load_state_dict(state["optimiser"])
        self.budget = training.Budget(minutes, state["spent"])
        self.rng = np.random.default_rng([3, self.step])
        self.empty = self.words.ids([""])

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
            if self.step % 75 == 0 or self.budget.progress >= 1.0:
                self.report()
        bar.close()

    def train_step(self) -> float:
        """One optimiser step on one batch; gives its loss."""
        progress = self.budget.progress
        rate = PEAK_RATE * min(1.0, (self.step + 1) / 60) * (0.02 + 0.98 * np.cos(0.5 * np.pi * progress) ** 2)
        for group in self.optimiser.param_groups:
            group["lr"] = float(rate)
        loss = self.loss(*self._batch(progress))
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimiser.step()
        self.average.update(self.network, self.step)
        return loss.item()

    def _lesson(self, progress: float) -> tuple[dict[str, float], float]:
        """What to draw from now, and how often clips have all 17 frames instead of 8."""
        if self.step < PLAIN_STEPS:
            return (FIRST if self.step < FIRST_STEPS else PLAIN), 0.0
        return (FINAL, WHOLE_CLIPS) if progress > FINAL_FROM else (WORLD, 0.0)

    def _batch(self, progress: float):
        chances, long = self._lesson(progress)
        is_long = self.rng.random() < long
        count, frames = (max(1, self.batch // 2), 17) if is_long else (self.batch, 8)
        clean, masks, ids = self.shards.sample(self.rng, chances, count, frames)
        silent = torch.from_numpy(self.rng.random(count) < NO_TEXT)
        ids = torch.where(silent[:, None], self.empty, ids)
        return clean.to(self.device), masks.to(self.device), ids

    def loss(self, clean: torch.Tensor, masks: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
        """Velocity error, weighed towards the object and by min-SNR, at steps drawn towards high noise."""
        t = (1000 * torch.rand(len(clean), device=self.device) ** 0.6).long().clamp(max=999)
        noisy, target = self.noise.apply(clean, torch.randn_like(clean), t)
        seen = torch.randperm(text.POSITIONS)[:TOKENS_SEEN]
        error = (predict(self.network, noisy, t, self.words.embed(ids)[:, seen]) - target).square()
        weights = 1.0 + OBJECT_WEIGHT * masks
        return (self.noise.weight(t) * weights / weights.mean() * error).mean()

    def report(self) -> None:
        """Measure the gaps, save the checkpoint and the curves, and take in clips that were cached meanwhile."""
        stage = next(iter(self._lesson(self.budget.progress)[0]))
        shard = next(iter(self.shards.stages[stage].values()))
        figures = Gaps(self.words, shard, self.noise, self.device).measure(self.network)
        line = " ".join(f"{name} {value:+.2f}%" for name, value in figures.items() if name != "right")
        tqdm.write(f"step {self.step} {self.budget.spent:.0f} s {stage}: right {figures['right']:.3f}, wrong {line}")
        parts = {"model": self.network, "average": self.average.model, "optimiser": self.optimiser}
        parts = {name: part.state_dict() for name, part in parts.items()}
        training.save_checkpoint(CHECKPOINT, **parts, step=self.step, spent=self.budget.spent, curves=self.curves)
        training.plot_curves(FOLDER / "diffusion.png", self.curves, "text to video")
        self.shards.refresh()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=80.0)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    Trainer(options.minutes, options.device, options.batch).run()
