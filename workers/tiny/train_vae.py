"""Train the tiny world's AutoencoderKL: 64x64 frames to 8x8 latents of 8 channels and back.

    python -m workers.tiny.train_vae --minutes 25 [--device cuda]

Resumes from var/train/vae.pt; the object's pixels weigh more, because they are few and say what was asked for.
Diffusion trains on the latents of this encoder: what is trained after that, with --decoder-only, makes better pictures
of the same latents.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL
from tqdm import tqdm

from workers.tiny import training
from workers.tiny.world import draw, object_mask, sample_scene

FOLDER = Path("var/train")
CHECKPOINT = FOLDER / "vae.pt"
FRAME_SIZES = ((64, 64),) * 12 + ((64, 112), (112, 64), (64, 88), (88, 64))
OBJECT_WEIGHT = 4.0
KL_WEIGHT = 1e-5
PEAK_RATE = 1.5e-3
LATENT_NOISE = 0.05  # what the decoder learns to look past, because diffusion's latents are never exact
NO_CURVES = {"mse": [], "psnr": []}


def build_vae() -> AutoencoderKL:
    """The untrained autoencoder: factor 8, 8 latent channels, wide norm groups (narrow ones wash colours out)."""
    stages = 4
    return AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * stages,
        up_block_types=("UpDecoderBlock2D",) * stages,
        block_out_channels=(16, 32, 64, 128),
        layers_per_block=1,
        latent_channels=8,
        norm_num_groups=2,
        sample_size=64,
        mid_block_add_attention=False,
    )


def load_vae(path: Path = CHECKPOINT) -> AutoencoderKL:
    """The averaged weights of a checkpoint."""
    vae = build_vae().eval().requires_grad_(False)
    vae.load_state_dict(training.load_checkpoint(path)["average"])
    return vae.to(memory_format=torch.channels_last)


@torch.no_grad()
def normalise_latents(vae: AutoencoderKL, count: int = 512) -> None:
    """Fold a shift and a scale per channel into the 1x1 convolutions around the latents: mean 0, deviation 1."""
    rng = np.random.default_rng(11)
    batches = [sample_frames(rng, 64, (64, 64))[0] for _ in range(count // 64)]
    latents = torch.cat([vae.encode(pixels).latent_dist.mean for pixels in batches])
    mean, deviation = latents.mean((0, 2, 3)), latents.std((0, 2, 3))
    channels = len(mean)
    before, after = vae.quant_conv, vae.post_quant_conv
    after.bias += after.weight[:, :, 0, 0] @ mean
    after.weight *= deviation[None, :, None, None]
    before.weight[:channels] /= deviation[:, None, None, None]
    before.bias[:channels] = (before.bias[:channels] - mean) / deviation
    before.bias[channels:] -= 2 * deviation.log()


def sample_frames(rng: np.random.Generator, count: int, size: tuple[int, int]) -> tuple[torch.Tensor, torch.Tensor]:
    """Frames of random scenes, float32 [count, 3, h, w] in -1..1, and pixel weights, float32 [count, 1, h, w]."""
    frames, masks = [], []
    for _ in range(count):
        scene, times = sample_scene(rng), rng.uniform(0.0, 3.0, 1)
        frames.append(draw(scene, times, *size))
        masks.append(object_mask(scene, times, *size))
    pixels = torch.from_numpy(np.concatenate(frames)).permute(0, 3, 1, 2).float() / 127.5 - 1.0
    return pixels, 1.0 + OBJECT_WEIGHT * torch.from_numpy(np.concatenate(masks))[:, None]


def vae_loss(vae, pixels: torch.Tensor, weights: torch.Tensor, decoder_only: bool = False):
    """The training loss, and the plain mean squared error of frames in -1..1."""
    with torch.set_grad_enabled(not decoder_only):
        posterior = vae.encode(pixels).latent_dist
    latents = posterior.mean + LATENT_NOISE * torch.randn_like(posterior.mean) if decoder_only else posterior.sample()
    error = vae.decode(latents).sample.float() - pixels
    weights = weights / weights.mean()
    squared = error.square()
    edges = sum((error.diff(dim=axis)).abs().mean() for axis in (2, 3))
    loss = (weights * (2.0 * squared + error.abs())).mean() + 0.25 * edges
    if not decoder_only:
        loss = loss + KL_WEIGHT * posterior.kl().mean()
    return loss, squared.mean().detach()


def psnr(mse: float) -> float:
    """Peak signal-to-noise ratio in dB of a mean squared error between frames in -1..1."""
    return float(10 * np.log10(4.0 / mse))


@torch.no_grad()
def measure(vae: AutoencoderKL, device: str, count: int = 96) -> dict[str, float]:
    """Held-out reconstruction in dB, over all pixels and over the object's, and the latents' spread."""
    rng = np.random.default_rng(7)
    total = inside = area = 0.0
    latents = []
    for _ in range(count // 8):
        scenes = [sample_scene(rng, held_out=True) for _ in range(8)]
        times = rng.uniform(0.0, 2.0, 1)
        pixels = torch.from_numpy(np.concatenate([draw(s, times, 64, 64) for s in scenes])).to(device)
        pixels = pixels.permute(0, 3, 1, 2).float() / 127.5 - 1.0
        mask = torch.from_numpy(np.concatenate([object_mask(s, times, 64, 64) for s in scenes]))[:, None].to(device)
        latent = vae.encode(pixels).latent_dist.mean
        error = (vae.decode(latent).sample.clamp(-1, 1) - pixels).square()
        total += error.mean().item() * 8 / count
        inside += (error * mask).sum().item() / 3
        area += mask.sum().item()
        latents.append(latent)
    return {"psnr": psnr(total), "object_psnr": psnr(inside / area), "latent_std": torch.cat(latents).std().item()}


class Trainer:
    """One training of the autoencoder, or, once diffusion has begun on its latents, of its decoder alone."""

    def __init__(self, minutes: float, device: str, batch: int, decoder_only: bool):
        torch.manual_seed(0)
        self.device, self.batch, self.decoder_only = device, batch, decoder_only
        self.vae = build_vae().to(device, memory_format=torch.channels_last)
        self.average = training.Average(self.vae, 0.998)
        state = training.load_checkpoint(CHECKPOINT, device) or {"step": 0, "spent": 0.0, "curves": NO_CURVES}
        if "average" in state:
            self.vae.load_state_dict(state.get("model", state["average"]))
            self.average.model.load_state_dict(state["average"])
        if decoder_only:
            self.vae.encoder.requires_grad_(False)
            self.vae.quant_conv.requires_grad_(False)
        parameters = [weight for weight in self.vae.parameters() if weight.requires_grad]
        self.optimiser = torch.optim.AdamW(parameters, lr=PEAK_RATE, betas=(0.9, 0.99), weight_decay=1e-4)
        resumes = state.get("decoder_only") == decoder_only and "optimiser" in state
        if resumes:
            self.optimiser.load_state_dict(state["optimiser"])
        self.step, self.curves = state["step"], state["curves"]
        self.first_step = state.get("first_step", 0) if resumes else self.step
        self.budget = training.Budget(minutes, state["spent"] if resumes else 0.0)
        self.rng = np.random.default_rng([0, self.step])

    def run(self) -> None:
        """Train until the budget is spent; every two minutes a checkpoint, a measurement and the curves."""
        bar = tqdm(total=round(self.budget.total), initial=round(self.budget.spent), unit="s", mininterval=10)
        saved = self.budget.spent
        while self.budget.progress < 1.0:
            mse = self.train_step()
            self.step += 1
            if self.step % 20 == 0:
                self.curves["mse"].append((self.step, mse))
            bar.set_postfix(step=self.step, db=f"{psnr(mse):.1f}", refresh=False)
            bar.update(round(self.budget.spent) - bar.n)
            if self.budget.spent - saved > 120 or self.budget.progress >= 1.0:
                saved = self.budget.spent
                self.report()
        bar.close()
        if not self.decoder_only:
            normalise_latents(self.average.model)
            self.vae.load_state_dict(self.average.model.state_dict())
            self.report()

    def train_step(self) -> float:
        """One optimiser step; gives the batch's mean squared error of frames in -1..1."""
        warm = min(1.0, (self.step - self.first_step + 1) / 100)
        rate = PEAK_RATE * warm * (0.02 + 0.98 * np.cos(0.5 * np.pi * self.budget.progress) ** 2)
        for group in self.optimiser.param_groups:
            group["lr"] = float(rate)
        size = FRAME_SIZES[self.rng.integers(len(FRAME_SIZES))]
        pixels, weights = (part.to(self.device) for part in sample_frames(self.rng, self.batch, size))
        with torch.autocast(self.device.split(":")[0], dtype=torch.bfloat16):
            loss, mse = vae_loss(self.vae, pixels.to(memory_format=torch.channels_last), weights, self.decoder_only)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.vae.parameters(), 1.0)
        self.optimiser.step()
        self.average.update(self.vae, self.step)
        return mse.item()

    def report(self) -> None:
        """Measure on held-out frames; save the checkpoint and the curves."""
        figures = measure(self.average.model, self.device)
        self.curves["psnr"].append((self.step, figures["psnr"]))
        line = " ".join(f"{name} {value:.2f}" for name, value in figures.items())
        tqdm.write(f"step {self.step} {self.budget.spent:.0f} s {line}")
        parts = {"model": self.vae, "average": self.average.model, "optimiser": self.optimiser}
        numbers = {"step": self.step, "first_step": self.first_step, "spent": self.budget.spent}
        training.save_checkpoint(
            CHECKPOINT,
            **{name: part.state_dict() for name, part in parts.items()},
            **numbers,
            curves=self.curves,
            decoder_only=self.decoder_only,
        )
        training.plot_curves(FOLDER / "vae.png", self.curves, "VAE")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=25.0)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--decoder-only", action="store_true", help="leave the latents as they are")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    Trainer(options.minutes, options.device, options.batch, options.decoder_only).run()
