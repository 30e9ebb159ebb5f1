"""Train the tiny world's AutoencoderKL: 64x64 frames to 8x8 latents of 8 channels and back.

    python -m workers.tiny.train_vae --minutes 25 [--device cuda]

Resumes from var/train/vae.pt; the object's pixels weigh more, because they are few and say what was asked for.
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
SIZES = ((64, 64),) * 12 + ((64, 112), (112, 64), (64, 88), (88, 64))
OBJECT_WEIGHT = 4.0
KL_WEIGHT = 1e-5
PEAK_RATE = 1.5e-3


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


def vae_loss(vae: AutoencoderKL, pixels: torch.Tensor, weights: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The training loss, and the plain mean squared error of frames in -1..1."""
    posterior = vae.encode(pixels).latent_dist
    error = vae.decode(posterior.sample()).sample.float() - pixels
    weights = weights / weights.mean()
    squared = error.square()
    edges = sum((error.diff(dim=axis)).abs().mean() for axis in (2, 3))
    loss = (weights * (2.0 * squared + error.abs())).mean() + 0.25 * edges + KL_WEIGHT * posterior.kl().mean()
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


def train(minutes: float, device: str, batch: int, threads: int) -> None:
    """Train until the budget is spent; every two minutes a checkpoint, a measurement and the curves."""
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    vae = build_vae().to(device, memory_format=torch.channels_last)
    optimiser = torch.optim.AdamW(vae.parameters(), lr=PEAK_RATE, betas=(0.9, 0.99), weight_decay=1e-4)
    average = training.Average(vae, 0.998)
    state = training.load_checkpoint(CHECKPOINT, device) or {"step": 0, "spent": 0.0, "curves": {"mse": [], "psnr": []}}
    step, curves = state["step"], state["curves"]
    if "model" in state:
        vae.load_state_dict(state["model"])
        average.model.load_state_dict(state["average"])
        optimiser.load_state_dict(state["optimiser"])
    budget = training.Budget(minutes, state["spent"])
    rng = np.random.default_rng([0, step])
    bar = tqdm(total=round(budget.total), initial=round(budget.spent), unit="s", mininterval=10)
    saved = budget.spent
    while budget.progress < 1.0:
        rate = PEAK_RATE * min(1.0, (step + 1) / 100) * (0.02 + 0.98 * np.cos(0.5 * np.pi * budget.progress) ** 2)
        mse = _train_step(vae, optimiser, rate, *sample_frames(rng, batch, SIZES[rng.integers(len(SIZES))]), device)
        average.update(vae, step)
        step += 1
        if step % 20 == 0:
            curves["mse"].append((step, mse))
        bar.set_postfix(step=step, db=f"{psnr(mse):.1f}", refresh=False)
        bar.update(round(budget.spent) - bar.n)
        if budget.spent - saved > 120 or budget.progress >= 1.0:
            saved = budget.spent
            figures = measure(average.model, device)
            curves["psnr"].append((step, figures["psnr"]))
            tqdm.write(f"step {step} {saved:.0f} s " + " ".join(f"{k} {v:.2f}" for k, v in figures.items()))
            parts = {"model": vae, "average": average.model, "optimiser": optimiser}
            parts = {name: part.state_dict() for name, part in parts.items()}
            training.save_checkpoint(CHECKPOINT, **parts, step=step, spent=saved, curves=curves)
            training.plot_curves(FOLDER / "vae.png", curves, "VAE")


def _train_step(vae, optimiser, rate, pixels, weights, device) -> float:
    """One optimiser step at this learning rate; gives the batch's mean squared error."""
    for group in optimiser.param_groups:
        group["lr"] = float(rate)
    pixels = pixels.to(device, memory_format=torch.channels_last)
    with torch.autocast(device.split(":")[0], dtype=torch.bfloat16):
        loss, mse = vae_loss(vae, pixels, weights.to(device))
    optimiser.zero_grad(set_to_none=True)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(vae.parameters(), 1.0)
    optimiser.step()
    return mse.item()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=25.0)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    train(options.minutes, options.device, options.batch, options.threads)
