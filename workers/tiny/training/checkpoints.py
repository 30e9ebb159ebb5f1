"""Shared training utilities: a resumable clock, checkpoints, weight averaging and plots."""

import copy
import time
from pathlib import Path

import torch

from auravideo.core.files import replacing


class Budget:
    """A training's clock in seconds, which continues across sessions."""

    def __init__(self, minutes: float, spent: float = 0.0):
        self.total = minutes * 60.0
        self._before = spent
        self._start = time.monotonic()

    @property
    def spent(self) -> float:
        return self._before + time.monotonic() - self._start

    @property
    def progress(self) -> float:
        """Return the training progress, 0..1."""
        return min(1.0, self.spent / self.total)


class Average:
    """An exponential moving average of a model's weights, which samples better than any single step's weights."""

    def __init__(self, model: torch.nn.Module, decay: float = 0.999):
        self.decay = decay
        self.model = copy.deepcopy(model).eval().requires_grad_(False)

    @torch.no_grad()
    def update(self, model: torch.nn.Module, step: int) -> None:
        decay = min(self.decay, (step + 1) / (step + 10))
        torch._foreach_lerp_(list(self.model.parameters()), list(model.parameters()), 1.0 - decay)


def save_checkpoint(path: Path, **state) -> None:
    """Write a checkpoint atomically, so that a kill while writing loses nothing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as part:
        torch.save(state, part)


def load_checkpoint(path: Path, device: str = "cpu") -> dict | None:
    """Read a checkpoint written by `save_checkpoint`; None if there is none yet."""
    return torch.load(path, map_location=device, weights_only=True) if path.exists() else None


def plot_curves(path: Path, curves: dict[str, list[tuple[int, float]]], title: str) -> None:
    """Save named curves of (step, value) as a PNG."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(9, 5))
    for name, points in curves.items():
        if points:
            axes.plot(*zip(*points, strict=True), label=name, linewidth=1)
    axes.set(title=title, xlabel="step", yscale="log")
    axes.grid(alpha=0.3)
    axes.legend()
    figure.tight_layout()
    figure.savefig(path, dpi=100)
    pyplot.close(figure)
