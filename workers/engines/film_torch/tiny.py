"""The tiny interpolation network that ships, in torch: workers/tiny/networks/film.py says what it does and why."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from workers.engines.film_torch.operations import Convolution, doubled, halved, joined, stacked, warped

if TYPE_CHECKING:
    from torch import Tensor

# As in workers/tiny/networks/film.py.
LEVELS = 6
SPECIAL_LEVELS = 1
LEAK = 0.1
STILL = 3.0
CHANGE = 4 / 255
PASSING = (0.25, 0.5)
TINY = 1e-4


class TinyFilm:
    """The network: see `__call__`.

    Args:
        layers: by the names of their variables, such as `estimators/0/enter`.
    """

    def __init__(self, layers: Mapping[str, Convolution]) -> None:
        self.layers = layers

    @property
    def nbytes(self) -> int:
        """Return the size of the weights in bytes."""
        return sum(layer.nbytes for layer in self.layers.values())

    def __call__(self, x0: "Tensor", x1: "Tensor", time: "Tensor") -> "Tensor":
        """Return the frames between `x0` and `x1` at `time`, float32 [B, 3, H, W] in 0..1.

        Both are RGB in 0..1, H and W multiples of 64; `time` is [B] in 0..1.
        """
        moment = time.view(-1, 1, 1, 1)
        levels = self._features(stacked(x0, x1) - 0.5)
        velocity = hidden = None
        for level in reversed(range(len(levels))):
            velocity, hidden = self._refined(level, levels[level], moment, velocity, hidden)
        return self._fused(x0, x1, moment, 2 * doubled(velocity), doubled(hidden)).clamp(0, 1)

    def _layer(self, name: str, x: "Tensor") -> "Tensor":
        return self.layers[name](x, LEAK)

    def _features(self, images: "Tensor") -> list["Tensor"]:
        """Return the features of all levels but the finest."""
        levels, finer = [], None
        for level in range(LEVELS):
            images = halved(images) if level else images
            own = self._layer("second", self._layer("first", images))
            if finer is not None:
                context = self._layer("deepest", self._layer("deeper", halved(finer)))
                levels.append(joined((own, context)))
            finer = own
        return levels

    def _refined(
        self, level: int, features: "Tensor", moment: "Tensor", velocity: "Tensor | None", hidden: "Tensor | None"
    ) -> tuple["Tensor", "Tensor"]:
        """Return a level's velocities [B, 4, h, w], y before x, and hidden channels, from those of the coarser one."""
        batch, size = len(moment), features.shape[2:]
        if velocity is None or hidden is None:
            velocity = features.new_zeros((batch, 4, *size))
            hidden = features.new_zeros((batch, self.layers["estimators/0/hidden"].bias.numel(), *size))
        else:
            velocity, hidden = 2 * doubled(velocity), doubled(hidden)
            features = warped(features, both_flows(velocity, moment))
        clock = moment.expand(-1, 1, *size)
        name = f"estimators/{min(level, SPECIAL_LEVELS)}"
        x = joined((features[:batch], features[batch:], velocity, clock, hidden))
        for layer in ("enter", "body", "hidden"):
            x = self._layer(f"{name}/{layer}", x)
        return velocity + self.layers[f"{name}/velocity"](x), x

    def _fused(self, x0: "Tensor", x1: "Tensor", moment: "Tensor", velocity: "Tensor", hidden: "Tensor") -> "Tensor":
        """Mix the warped and the untouched frames, and add a small correction that vanishes at both ends."""
        import torch

        batch = len(x0)
        moved = warped(stacked(x0, x1), both_flows(velocity, moment))
        candidates = (moved[:batch], moved[batch:], x0, x1)
        clock = moment.expand(-1, 1, *x0.shape[2:])
        x = joined((*(candidate - 0.5 for candidate in candidates), hidden, clock))
        x = self.layers["choose"](self._layer("fuse_more", self._layer("fuse", x)))
        after, before = torch.log(1 - moment + TINY), torch.log(moment + TINY)
        prior = joined((after, before, after - STILL, before - STILL))
        weights = torch.softmax(x[:, :4] + prior, dim=1)
        image = moment * (1 - moment) * x[:, 4:]
        for index, candidate in enumerate(candidates):
            image = image + weights[:, index : index + 1] * candidate
        blend = x0 * (1 - moment) + x1 * moment
        return blend + alive(x0, x1, velocity) * (image - blend)


def alive(x0: "Tensor", x1: "Tensor", velocity: "Tensor") -> "Tensor":
    """Return where something changes or passes through, [B, 1, H, W] in 0..1; elsewhere, frames are copied."""
    import torch
    from torch.nn import functional

    change = (x0 - x1).abs().amax(1, keepdim=True)
    change = (functional.max_pool2d(change, 5, 1, padding=2) / CHANGE).clamp(max=1)
    low, high = PASSING
    passing = (velocity.abs().amax(1, keepdim=True) - low) / (high - low)
    passing = passing.clamp(0, 1) * change.amax((1, 2, 3), keepdim=True)
    return torch.maximum(change, passing)


def both_flows(velocity: "Tensor", moment: "Tensor") -> "Tensor":
    """Return velocities [B, 4, h, w] at `moment` [B, 1, 1, 1] as flows to both frames, stacked: [2B, 2, h, w]."""
    return stacked(-moment * velocity[:, :2].flip(1), (1 - moment) * velocity[:, 2:].flip(1))
