"""FILM as published (Reda et al., "FILM: Frame Interpolation for Large Motion", 2022), in torch.

One feature extractor, applied to every level of the image pyramid; its features are cascaded, so that every level but
the finest has features of the same meanings. Flow is predicted from coarse to fine as a residual; the coarser levels
share one predictor. Frames and features are warped halfway to each other and fused by a decoder. The published weights
know the midpoint only, and the network ignores the time it is asked for.
"""

from collections.abc import Sequence
from itertools import chain
from typing import TYPE_CHECKING

from workers.engines.film_torch.operations import Convolution, doubled, halved, joined, stacked, warped

if TYPE_CHECKING:
    from torch import Tensor

LEVELS = 7  # of the pyramid, in all published configurations
LEAK = 0.2
MIDPOINT = 0.5


class PublishedFilm:
    """The network: see `__call__` and `layouts.PublishedLayout` for its layers."""

    def __init__(
        self,
        features: Sequence[Convolution],
        flows: Sequence[Sequence[Convolution]],
        fusion: Sequence[Sequence[Convolution]],
        output: Convolution,
    ) -> None:
        self.features, self.flows, self.fusion, self.output = features, flows, fusion, output

    @property
    def nbytes(self) -> int:
        """Return the size of the weights in bytes."""
        layers = chain(self.features, *self.flows, *self.fusion, [self.output])
        return sum(layer.nbytes for layer in layers)

    def __call__(self, x0: "Tensor", x1: "Tensor", time: "Tensor") -> "Tensor":
        """Return the frames halfway between `x0` and `x1`, float32 [B, 3, H, W], not clipped.

        Both are RGB in 0..1, H and W multiples of 64. `time` is ignored.
        """
        return self._fused(self._aligned(x0, x1))

    def _aligned(self, x0: "Tensor", x1: "Tensor") -> list["Tensor"]:
        """Return both frames with their features, warped to the middle, and the flows, of each level that is fused."""
        batch = len(x0)
        images = [stacked(x0, x1)]
        while len(images) < LEVELS:
            images.append(halved(images[-1]))
        features = self._cascade(images)
        flows = self._flows(features)
        aligned = []
        for image, feature, flow in zip(images, features, flows, strict=False):
            # Each frame is looked up along the flow that begins at the other one.
            half = _swapped(flow) * MIDPOINT
            moved = warped(joined((image, feature)), half)
            aligned.append(joined((moved[:batch], moved[batch:], half[:batch], half[batch:])))
        return aligned

    def _cascade(self, images: Sequence["Tensor"]) -> list["Tensor"]:
        """Return the features of each level: its own, and those of the finer ones that end here, finest level first."""
        depth = len(self.features) // 2
        found: list[list[Tensor]] = [[] for _ in images]
        for level, image in enumerate(images):
            head = image
            for step in range(min(depth, len(images) - level)):
                head = halved(head) if step else head
                head = self.features[2 * step + 1](self.features[2 * step](head, LEAK), LEAK)
                found[level + step].insert(0, head)
        return [joined(parts) for parts in found]

    def _flows(self, features: Sequence["Tensor"]) -> list["Tensor"]:
        """Return the flows of each level that is fused, from either frame to the other: [2B, 2, h, w]."""
        flow: Tensor | None = None
        found: list[Tensor] = []
        for level in reversed(range(len(features))):
            feature = features[level]
            other = _swapped(feature)
            if flow is not None:
                flow = doubled(2 * flow)
                other = warped(other, flow)
            *hidden, last = self.flows[min(level, len(self.flows) - 1)]
            x = joined((feature, other))
            for layer in hidden:
                x = layer(x, LEAK)
            flow = last(x) if flow is None else flow + last(x)
            found.insert(0, flow)
        return found[: len(self.fusion) + 1]

    def _fused(self, aligned: list["Tensor"]) -> "Tensor":
        """Return the image. Takes each level from the list, so that its memory is free for the next one."""
        x = aligned.pop()
        for level in reversed(range(len(self.fusion))):
            enter, *body = self.fusion[level]
            x = joined((aligned.pop(), enter(doubled(x, "nearest"))))
            for layer in body:
                x = layer(x, LEAK)
        return self.output(x)


def _swapped(both: "Tensor") -> "Tensor":
    """Exchange what belongs to the first frames [0, B) and to the second ones [B, 2B)."""
    return both.roll(len(both) // 2, 0)
