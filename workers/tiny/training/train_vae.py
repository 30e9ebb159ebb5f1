"""Trains the tiny world's AutoencoderKL: 18-channel latents per 8x8 pixels to frames, and frames to latents.

    python -m workers.tiny.training.train_vae decoder --minutes 50 [--device cuda]
    python -m workers.tiny.training.train_vae encoder --minutes 25

The meaning of the latents is defined in `workers.tiny.networks.latents`, so the two halves are trained one after the
other, and diffusion, which needs neither, can be trained in parallel. Resumes from var/train/decoder.pt and encoder.pt.
The object's pixels weigh more, because they are few and carry what the prompt asks for.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL
from tqdm import tqdm

from workers.tiny.networks.latents import CHANNELS, scene_latents
from workers.tiny.training import checkpoints
from workers.tiny.world.scenes import draw, object_mask, sample_scene

FOLDER = Path("var/train")
FRAME_SIZES = ((64, 64),) * 12 + ((64, 112), (112, 64), (64, 96), (96, 64))
OBJECT_WEIGHT = 4.0
FINE_WEIGHT, FINE = 3.0, 0.25  # extra weight of a pixel that differs from its surroundings by FINE: stars, outlines
SPINNING = 0.25  # share of frames, besides the usual tenth, of objects at any angle, the hardest to draw
PEAK_RATE = {"decoder": 2e-3, "encoder": 2e-3}
MINUTES = {"decoder": 50.0, "encoder": 25.0}
MOST_NOISE = 0.3  # noise the decoder learns to ignore, because diffusion's latents are never exact
LOG_VARIANCE = -6.0  # of the encoder's posterior: it locates things to within a twentieth
# An object's rotation is ambiguous in its pixels: a square looks the same four ways. The encoder learns the angle from
# how well the decoder redraws the image, everything else from its value.
ANGLE = slice(4, 6)


def build_vae() -> AutoencoderKL:
    """Return the untrained autoencoder: factor 8, 18 latent channels, wide norm groups (narrow ones dull colours)."""
    stages = 4
    return AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * stages,
        up_block_types=("UpDecoderBlock2D",) * stages,
        block_out_channels=(16, 32, 64, 128),
        layers_per_block=1,
        latent_channels=CHANNELS,
        norm_num_groups=2,
        sample_size=64,
        mid_block_add_attention=False,
    )


def part_of(vae: AutoencoderKL, part: str) -> torch.nn.Module:
    """Return the layers that one training changes: "decoder" or "encoder", with the adjacent 1x1 convolution."""
    if part == "decoder":
        return torch.nn.ModuleDict({"conv": vae.post_quant_conv, "layers": vae.decoder})
    return torch.nn.ModuleDict({"conv": vae.quant_conv, "layers": vae.encoder})


def checkpoint(part: str) -> Path:
    return FOLDER / f"{part}.pt"


def load_vae() -> AutoencoderKL:
    """Return the averaged weights of both checkpoints; an untrained half keeps its initial weights."""
    torch.manual_seed(0)
    vae = build_vae()
    for part in PEAK_RATE:
        if state := checkpoints.load_checkpoint(checkpoint(part)):
            part_of(vae, part).load_state_dict(state["average"])
    return vae.eval().requires_grad_(False).to(memory_format=torch.channels_last)


def to_pixels(frames: np.ndarray) -> torch.Tensor:
    """Convert uint8 [N, H, W, 3] to the autoencoder's float32 [N, 3, H, W] in -1..1."""
    return torch.from_numpy(frames).permute(0, 3, 1, 2).float() / 127.5 - 1.0


def sample_frames(rng: np.random.Generator, count: int, size: tuple[int, int], held_out: bool = False):
    """Return frames of random scenes at random times.

    Returns:
        pixels float32 [count, 3, h, w] in -1..1, latents float32 [count, 18, h / 8, w / 8] and how much of each pixel
        the object covers, float32 [count, 1, h, w] in 0..1.
    """
    frames, latents, masks = [], [], []
    for _ in range(count):
        spins = rng.random() < SPINNING and not held_out
        scene, times = sample_scene(rng, held_out), rng.uniform(0.0, 3.0, 1)
        while spins and scene.motion != "spinning":
            scene = sample_scene(rng)
        frames.append(draw(scene, times, *size))
        latents.append(scene_latents(scene, times, *size))
        masks.append(object_mask(scene, times, *size))
    pixels = to_pixels(np.concatenate(frames))
    return pixels, torch.from_numpy(np.concatenate(latents)), torch.from_numpy(np.concatenate(masks))[:, None]


def picture_loss(seen: torch.Tensor, pixels: torch.Tensor, mask: torch.Tensor):
    """Return the loss between decoded and drawn frames, and the plain mean squared error of frames in -1..1."""
    error = seen.float() - pixels
    around = torch.nn.functional.avg_pool2d(pixels, 5, stride=1, padding=2, count_include_pad=False)
    fine = ((pixels - around).abs().amax(dim=1, keepdim=True) / FINE).clamp(max=1.0)
    weights = 1.0 + OBJECT_WEIGHT * mask + FINE_WEIGHT * fine
    squared = error.square()
    edges = sum(error.diff(dim=axis).abs().mean() for axis in (2, 3))
    loss = (weights / weights.mean() * (2.0 * squared + error.abs())).mean() + 0.25 * edges
    return loss, squared.mean().detach()


def decoder_loss(vae: AutoencoderKL, pixels: torch.Tensor, latents: torch.Tensor, mask: torch.Tensor):
    """Return `picture_loss` of frames decoded from latents with noise between zero and `MOST_NOISE`."""
    level = MOST_NOISE * torch.rand(len(latents), 1, 1, 1, device=latents.device)
    noisy = latents + level * torch.randn_like(latents)
    return picture_loss(vae.decode(noisy.to(memory_format=torch.channels_last)).sample, pixels, mask)


def encoder_loss(vae: AutoencoderKL, pixels: torch.Tensor, latents: torch.Tensor, mask: torch.Tensor):
    """Return the loss between the encoder's means and the latents, and between redrawn and original images."""
    posterior = vae.encode(pixels.to(memory_format=torch.channels_last)).latent_dist
    error = (posterior.mean.float() - latents).square().mean(dim=(0, 2, 3))
    error[ANGLE] = 0.0
    loss, mse = picture_loss(vae.decode(posterior.sample()).sample, pixels, mask)
    spread = (posterior.logvar.float() - LOG_VARIANCE).square().mean()
    return loss + error.mean() + 0.01 * spread, mse


LOSSES = {"decoder": decoder_loss, "encoder": encoder_loss}


def psnr(mse: float) -> float:
    """Return the peak signal-to-noise ratio in dB of a mean squared error between frames in -1..1."""
    return float(10 * np.log10(4.0 / mse))


@torch.no_grad()
def measure(vae: AutoencoderKL, part: str, device: str, count: int = 96) -> dict[str, float]:
    """Measure held-out frames in dB, over all pixels and over the object's.

    "decoder": drawn from exact latents, and from latents with noise of deviation 0.2; "encoder": there and back.
    """
    rng = np.random.default_rng(7)
    totals: dict[str, np.ndarray] = {}
    for _ in range(count // 8):
        pixels, latents, mask = (t.to(device) for t in sample_frames(rng, 8, (64, 64), held_out=True))
        if part == "decoder":
            noise = torch.randn(latents.shape, generator=torch.Generator().manual_seed(int(rng.integers(2**31))))
            seen = {"exact": latents, "noisy": latents + 0.2 * noise.to(device)}
        else:
            seen = {"again": vae.encode(pixels).latent_dist.mean}
        for name, given in seen.items():
            error = (vae.decode(given).sample.clamp(-1, 1) - pixels).square()
            sums = [error.mean().item() * pixels.numel(), pixels.numel(), (error * mask).sum().item(), 3 * mask.sum()]
            totals[name] = totals.get(name, np.zeros(4)) + np.array([float(value) for value in sums])
    figures = {}
    for name, (total, pixels, inside, area) in totals.items():
        figures |= {name: psnr(total / pixels), f"{name}_object": psnr(inside / area)}
    return figures


class Trainer:
    """The training of one half of the autoencoder; `run` continues until the budget is spent."""

    def __init__(self, part: str, minutes: float, device: str, batch: int):
        self.part, self.device, self.batch = part, device, batch
        self.vae = load_vae().to(device).train().requires_grad_(False)
        self.model = part_of(self.vae, part).requires_grad_(True)
        self.average = checkpoints.Average(self.model, 0.998)
        self.optimiser = torch.optim.AdamW(
            self.model.parameters(), lr=PEAK_RATE[part], betas=(0.9, 0.99), weight_decay=1e-4
        )
        state = checkpoints.load_checkpoint(checkpoint(part), device) or {"step": 0, "spent": 0.0, "curves": {}}
        if "model" in state:
            self.model.load_state_dict(state["model"])
            self.average.model.load_state_dict(state["average"])
            self.optimiser.load_state_dict(state["optimiser"])
        self.step, self.curves = state["step"], state["curves"]
        self.budget = checkpoints.Budget(minutes, state["spent"])
        self.rng = np.random.default_rng([0, self.step])
        torch.manual_seed(self.step)

    def run(self) -> None:
        """Train until the budget is spent; every two minutes, save a checkpoint, measurements and the curves."""
        bar = tqdm(total=round(self.budget.total), initial=round(self.budget.spent), unit="s", mininterval=10)
        saved = self.budget.spent
        while self.budget.progress < 1.0:
            mse = self.train_step()
            self.step += 1
            if self.step % 20 == 0:
                self.curves.setdefault("mse", []).append((self.step, mse))
            bar.set_postfix(step=self.step, db=f"{psnr(mse):.1f}", refresh=False)
            bar.update(round(self.budget.spent) - bar.n)
            if self.budget.spent - saved > 120 or self.budget.progress >= 1.0:
                saved = self.budget.spent
                self.report()
        bar.close()

    def train_step(self) -> float:
        """Run one optimizer step; return the batch's mean squared error of frames in -1..1."""
        warm = min(1.0, (self.step + 1) / 100)
        rate = PEAK_RATE[self.part] * warm * (0.02 + 0.98 * np.cos(0.5 * np.pi * self.budget.progress) ** 2)
        for group in self.optimiser.param_groups:
            group["lr"] = float(rate)
        size = FRAME_SIZES[self.rng.integers(len(FRAME_SIZES))]
        drawn = (tensor.to(self.device) for tensor in sample_frames(self.rng, self.batch, size))
        with torch.autocast(self.device.split(":")[0], dtype=torch.bfloat16):
            loss, mse = LOSSES[self.part](self.vae, *drawn)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimiser.step()
        self.average.update(self.model, self.step)
        return mse.item()

    def report(self) -> None:
        """Measure the averaged weights on held-out frames; save the checkpoint and the curves."""
        kept = {name: value.clone() for name, value in self.model.state_dict().items()}
        self.model.load_state_dict(self.average.model.state_dict())
        figures = measure(self.vae.eval(), self.part, self.device)
        self.model.load_state_dict(kept)
        self.vae.train()
        for name, value in figures.items():
            self.curves.setdefault(name, []).append((self.step, value))
        line = " ".join(f"{name} {value:.2f}" for name, value in figures.items())
        tqdm.write(f"step {self.step} {self.budget.spent:.0f} s {line}")
        parts = {"model": self.model, "average": self.average.model, "optimiser": self.optimiser}
        checkpoints.save_checkpoint(
            checkpoint(self.part),
            **{name: part.state_dict() for name, part in parts.items()},
            step=self.step,
            spent=self.budget.spent,
            curves=self.curves,
        )
        checkpoints.plot_curves(FOLDER / f"{self.part}.png", self.curves, f"VAE, {self.part}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=sorted(LOSSES))
    parser.add_argument("--minutes", type=float, help="training time in all (50 for the decoder, 25 for the encoder)")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    minutes = options.minutes or MINUTES[options.part]
    Trainer(options.part, minutes, options.device, options.batch).run()
