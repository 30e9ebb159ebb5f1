"""A compact Real-ESRGAN network, in the layout of Real-ESRGAN's own compact models (SRVGGNetCompact).

Convolutions and PReLUs at the small size, one pixel shuffle at the end, and the nearest-neighbour-enlarged input added.
Weight names (`body.0.weight`, ...) match the published models, so whatever loads `realesr-animevideov3.pth` loads
these.
"""

from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from auravideo.core.files import replacing

FEATURES = 24
CONVOLUTIONS = 8
# Keys' kernel (1981) with a = -0.5, as in Pillow and MATLAB.
KEYS_A = -0.5
# The linear path needs each channel's four diagonal neighbours: 3x3 windows of these cover the 5x5 that bicubic reads.
CORNERS = ((-1, -1), (-1, 1), (1, -1), (1, 1))
CARRIED = 3 * len(CORNERS)


class DetailUpscaler(nn.Module):
    """The network being trained: bicubic enlargement plus learned details.

    Float [B, 3, H, W] in 0..1 to float [B, 3, H * scale, W * scale], not clamped. The filters that see the picture do
    not respond to a flat or evenly sloping picture, and nothing has a bias, so neither gets any details, and half the
    contrast gets half the details: colours cannot shift, and the smoother a picture, the closer it stays to bicubic.
    `to_compact` writes the same function as a network of the published layout.
    """

    def __init__(self, scale: int, features: int = FEATURES, convolutions: int = CONVOLUTIONS) -> None:
        super().__init__()
        self.scale = scale
        layers: list[nn.Module] = [nn.Conv2d(3, features, 3, padding=1, bias=False), nn.PReLU(features)]
        for _ in range(convolutions):
            layers += [nn.Conv2d(features, features, 3, padding=1, bias=False), nn.PReLU(features)]
        layers += [nn.Conv2d(features, 3 * scale * scale, 3, padding=1, bias=False)]
        self.body = nn.ModuleList(layers)
        for layer in self.body[:-1:2]:
            nn.init.kaiming_normal_(layer.weight, a=0.25)  # initial PReLU slope
        nn.init.zeros_(self.body[-1].weight)
        taps = torch.from_numpy(bicubic_taps(scale)).float()
        kernel = torch.einsum("py,qx->pqyx", taps, taps).reshape(scale * scale, 1, 5, 5)
        self.register_buffer("bicubic", kernel.repeat(3, 1, 1, 1), persistent=False)
        ones, slope = torch.ones(3), torch.tensor([-1.0, 0.0, 1.0])
        plane = torch.stack([torch.outer(a, b).flatten() for a, b in ((ones, ones), (ones, slope), (slope, ones))])
        self.register_buffer("plane", nn.functional.normalize(plane), persistent=False)

    def first_weight(self) -> Tensor:
        """Return the first layer's filters, [features, 3, 3, 3], with their response to levels and slopes removed."""
        weight = self.body[0].weight.flatten(2)
        return (weight - weight @ self.plane.T @ self.plane).unflatten(2, (3, 3))

    def forward(self, small: Tensor) -> Tensor:
        # Differences between pixels need full precision; the details derived from them do well with half precision.
        with torch.autocast(small.device.type, enabled=False):
            details = nn.functional.conv2d(small, self.first_weight(), padding=1)
        for layer in self.body[1:]:
            details = layer(details)
        return nn.functional.pixel_shuffle(details, self.scale) + self.enlarge_bicubic(small)

    def enlarge_bicubic(self, small: Tensor) -> Tensor:
        """Return the untrained part: bicubic enlargement in full precision."""
        with torch.autocast(small.device.type, enabled=False):
            padded = nn.functional.pad(small, (2, 2, 2, 2), mode="replicate")
            return nn.functional.pixel_shuffle(nn.functional.conv2d(padded, self.bicubic, groups=3), self.scale)


class CompactUpscaler(nn.Module):
    """The published layout: float RGB [B, 3, H, W] in 0..1 to float [B, 3, H * scale, W * scale], not clamped."""

    def __init__(self, scale: int, features: int = FEATURES + CARRIED, convolutions: int = CONVOLUTIONS) -> None:
        super().__init__()
        self.scale = scale
        layers: list[nn.Module] = [nn.Conv2d(3, features, 3, padding=1), nn.PReLU(features)]
        for _ in range(convolutions):
            layers += [nn.Conv2d(features, features, 3, padding=1), nn.PReLU(features)]
        layers += [nn.Conv2d(features, 3 * scale * scale, 3, padding=1)]
        self.body = nn.ModuleList(layers)
        self.shuffle = nn.PixelShuffle(scale)

    @property
    def receptive_radius(self) -> int:
        """Return how many input pixels away, in each direction, an output pixel can depend on."""
        return sum(isinstance(layer, nn.Conv2d) for layer in self.body)

    def forward(self, small: Tensor) -> Tensor:
        features = small
        for layer in self.body:
            features = layer(features)
        return self.shuffle(features) + nn.functional.interpolate(small, scale_factor=self.scale, mode="nearest")


def cubic_weights(distance: np.ndarray) -> np.ndarray:
    """Return Keys' cubic convolution kernel at the given distances (in input pixels)."""
    d = np.abs(distance)
    near = (KEYS_A + 2) * d**3 - (KEYS_A + 3) * d**2 + 1
    far = KEYS_A * (d**3 - 5 * d**2 + 8 * d - 4)
    return np.where(d <= 1, near, np.where(d < 2, far, 0.0))


def bicubic_taps(scale: int) -> np.ndarray:
    """Return bicubic enlargement as a filter bank: [scale, 5], for each output phase the weights of pixels -2..2."""
    offsets = (np.arange(scale) + 0.5) / scale - 0.5
    return cubic_weights(np.arange(-2, 3)[None, :] - offsets[:, None])


def _split_taps(taps: np.ndarray) -> np.ndarray:
    """Split filters over pixels -2..2 into 3-tap filters over the left and the right neighbour: [scale, 2, 3].

    Taps -2, -1 can only come from the left neighbour's window (-2, -1, 0), 1, 2 from the right one's (0, 1, 2); 0 is in
    both and shared evenly.
    """
    left = np.stack([taps[:, 0], taps[:, 1], taps[:, 2] / 2], axis=1)
    right = np.stack([taps[:, 2] / 2, taps[:, 3], taps[:, 4]], axis=1)
    return np.stack([left, right], axis=1)


@torch.no_grad()
def to_compact(detail: DetailUpscaler) -> CompactUpscaler:
    """Return the same function in the published layout (only the outermost pixels differ, by their padding).

    Twelve more features carry the picture through all layers, which is exact: pixel values are never negative, so PReLU
    leaves them alone. The last layer makes bicubic enlargement of them.
    """
    convolutions = [layer for layer in detail.body if isinstance(layer, nn.Conv2d)]
    features = convolutions[0].out_channels
    compact = CompactUpscaler(detail.scale, features + CARRIED, len(convolutions) - 2)
    for weight in compact.parameters():
        weight.zero_()
    first, *middle, last = [layer for layer in compact.body if isinstance(layer, nn.Conv2d)]
    for channel in range(3):
        for corner, (dy, dx) in enumerate(CORNERS):
            first.weight[channel * 4 + corner, channel, 1 + dy, 1 + dx] = 1
    first.weight[CARRIED:] = detail.first_weight()
    for layer, trained in zip(middle, convolutions[1:-1], strict=True):
        layer.weight[range(CARRIED), range(CARRIED), 1, 1] = 1
        layer.weight[CARRIED:, CARRIED:] = trained.weight
    for layer, trained in zip(compact.body, detail.body, strict=True):
        if isinstance(layer, nn.PReLU):
            layer.weight[CARRIED:] = trained.weight
    _set_bicubic_head(last, detail.scale)
    last.weight[:, CARRIED:] = convolutions[-1].weight
    return compact


def _set_bicubic_head(head: nn.Conv2d, scale: int) -> None:
    """Make the twelve carried features produce bicubic enlargement minus the repeated input that the layout adds."""
    split = torch.from_numpy(_split_taps(bicubic_taps(scale))).float()
    for channel in range(3):
        for corner, (dy, dx) in enumerate(CORNERS):
            kernel = torch.einsum("py,qx->pqyx", split[:, (dy + 1) // 2], split[:, (dx + 1) // 2])
            kernel[:, :, 1 - dy, 1 - dx] -= 0.25  # the centre pixel, a quarter of it from each corner's view
            rows = slice(channel * scale * scale, (channel + 1) * scale * scale)
            head.weight[rows, channel * 4 + corner] = kernel.reshape(scale * scale, 3, 3)


@torch.no_grad()
def start_x2_from_x4(x2: DetailUpscaler, x4: DetailUpscaler) -> None:
    """Initialize x2 so that its details are x4's averaged over 2x2 pixels: same body, head averaged by phase."""
    state = x4.state_dict()
    head = f"body.{len(x4.body) - 1}.weight"
    state[head] = state[head].unflatten(0, (3, 2, 2, 2, 2)).mean(dim=(2, 4)).flatten(0, 2)
    x2.load_state_dict(state)


def save_checkpoint(state: dict[str, Tensor], path: Path, metadata: dict[str, str] | None = None) -> None:
    """Write the weights as float16 safetensors, atomically."""
    path.parent.mkdir(parents=True, exist_ok=True)
    halves = {name: weight.detach().cpu().to(torch.float16).contiguous() for name, weight in state.items()}
    with replacing(path) as part:
        save_file(halves, part, metadata=metadata)
        part.chmod(0o644)  # safetensors creates files readable by their owner only
