"""Upscaling checkpoints in Real-ESRGAN's published layouts, with random weights, and frames to try them on."""

from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

FILTERS, GROWTH = 64, 32


def convolution(state, name, inputs, outputs, generator, gain=1.0):
    weight = torch.randn((outputs, inputs, 3, 3), generator=generator)
    state[f"{name}.weight"] = weight * gain / (9 * inputs) ** 0.5
    state[f"{name}.bias"] = torch.zeros(outputs)


def compact_state(scale, features=16, convolutions=3, seed=0, gain=0.5):
    """Return a state dict like realesr-animevideov3.pth: `body` of convolutions and PReLUs."""
    generator, state = torch.Generator().manual_seed(seed), {}
    for index in range(convolutions + 1):
        convolution(state, f"body.{2 * index}", features if index else 3, features, generator)
        state[f"body.{2 * index + 1}.weight"] = torch.full((features,), 0.25)
    convolution(state, f"body.{2 * convolutions + 2}", features, 3 * scale * scale, generator, gain)
    return state


def rrdb_state(scale, blocks, seed=0):
    """Return one like RealESRGAN_x4plus.pth or RealESRGAN_x2plus.pth (x2 starts with pixel unshuffle: 12 channels)."""
    generator, state = torch.Generator().manual_seed(seed), {}
    convolution(state, "conv_first", 3 if scale == 4 else 12, FILTERS, generator)
    for block in range(blocks):
        for dense in (1, 2, 3):
            for index in range(1, 6):
                name = f"body.{block}.rdb{dense}.conv{index}"
                inputs = FILTERS + GROWTH * (index - 1)
                convolution(state, name, inputs, GROWTH if index < 5 else FILTERS, generator, 0.3)
    for name in ("conv_body", "conv_up1", "conv_up2", "conv_hr"):
        convolution(state, name, FILTERS, FILTERS, generator)
    convolution(state, "conv_last", FILTERS, 3, generator, 0.3)
    state["conv_last.bias"] += 0.5
    return state


def write(path: Path, state) -> Path:
    if path.suffix == ".safetensors":
        save_file(state, path)
    else:
        torch.save({"params_ema": state}, path)
    return path


def picture(count=1, height=24, width=32, seed=0):
    """Return random frames with coarse and fine structure: uint8 [count, height, width, 3]."""
    rng = np.random.default_rng(seed)
    coarse = np.kron(rng.random((count, -(-height // 8), -(-width // 8), 3)), np.ones((1, 8, 8, 1)))
    fine = rng.random((count, height, width, 3))
    return (255 * (0.7 * coarse[:, :height, :width] + 0.3 * fine)).astype(np.uint8)


def largest_difference(first, second):
    assert first.shape == second.shape
    return int(np.abs(first.astype(int) - second.astype(int)).max())
