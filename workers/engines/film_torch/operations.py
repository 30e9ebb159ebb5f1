"""The operations of FILM's networks in torch, which agree with TensorFlow's of the same names.

Tensors are float32 [B, C, h, w]; flows are [B, 2, h, w] in pixels, x before y.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Convolution:
    """A convolution with TensorFlow's padding "SAME": what an even kernel lacks is added at the right and bottom."""

    weight: "Tensor"
    bias: "Tensor"

    @classmethod
    def of(cls, kernel: np.ndarray, bias: np.ndarray, device: str) -> "Convolution":
        """Return the convolution of TensorFlow's kernel [height, width, in, out] and bias [out].

        Raises:
            ValueError: a weight is not finite.
        """
        import torch

        if not (np.isfinite(kernel).all() and np.isfinite(bias).all()):
            raise ValueError("there are weights that are not finite")
        weight = torch.from_numpy(np.ascontiguousarray(kernel.transpose(3, 2, 0, 1)))
        return cls(weight.to(device, memory_format=torch.channels_last), torch.from_numpy(bias).to(device))

    @property
    def nbytes(self) -> int:
        return self.weight.nbytes + self.bias.nbytes

    def __call__(self, x: "Tensor", leak: float | None = None) -> "Tensor":
        """Return the convolution of [B, in, h, w], followed by a leaky ReLU if `leak` is given."""
        from torch.nn import functional

        side = self.weight.shape[-1]
        if side % 2 == 0:
            x = functional.pad(x, (0, 1, 0, 1))
        y = functional.conv2d(x, self.weight, self.bias, padding=(side - 1) // 2)
        return y if leak is None else functional.leaky_relu(y, leak, inplace=True)


def halved(x: "Tensor") -> "Tensor":
    """Return the means of 2x2 pixels."""
    from torch.nn import functional

    return functional.avg_pool2d(x, 2)


def doubled(x: "Tensor", mode: str = "bilinear") -> "Tensor":
    """Return `x` at twice its size; `mode` is "bilinear" or "nearest"."""
    from torch.nn import functional

    return functional.interpolate(x, scale_factor=2, mode=mode)


def joined(parts: "Sequence[Tensor]") -> "Tensor":
    """Return the channels of all parts."""
    import torch

    return torch.cat(list(parts), dim=1)


def stacked(first: "Tensor", second: "Tensor") -> "Tensor":
    """Return both batches as one: what is computed of either frame of a pair is computed at once."""
    import torch

    return torch.cat((first, second))


def warped(x: "Tensor", flow: "Tensor") -> "Tensor":
    """Look up `x` bilinearly at each pixel plus its flow. Beyond the edge lies the edge."""
    import torch
    from torch.nn import functional

    height, width = x.shape[2:]
    columns = torch.arange(width, dtype=flow.dtype, device=flow.device)
    rows = torch.arange(height, dtype=flow.dtype, device=flow.device)[:, None]
    # grid_sample counts from -1 to 1.
    grid = torch.stack(
        ((columns + flow[:, 0]) * (2 / (width - 1)) - 1, (rows + flow[:, 1]) * (2 / (height - 1)) - 1), dim=-1
    )
    return functional.grid_sample(x, grid, mode="bilinear", padding_mode="border", align_corners=True)
