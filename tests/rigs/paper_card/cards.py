"""Named cards, and the least time in which they can do a piece of work."""

from collections.abc import Iterable
from dataclasses import dataclass

import torch

from tests.rigs.paper_card.memory import GIB, Kernel

# The processor hands an operator of eager torch to the card in about this time, however small it is. Assumed.
DISPATCH_SECONDS = 5e-6


@dataclass(frozen=True)
class Card:
    """A card by its data sheet: memory in bytes, operations a second in half and in full precision, bytes a second."""

    name: str
    memory: int
    half: float
    full: float
    bandwidth: float


# From NVIDIA's data sheets and architecture papers (Turing TU102, Ampere GA100 and GA102, Ada AD102, Hopper). `half` is
# dense, on tensor cores, with sums in float32; the GTX 1650 has none, and its figure is that of its shaders.
CARDS = {
    card.name: card
    for card in (
        Card("GTX 1650", 4 * GIB, 6.0e12, 3.0e12, 128e9),
        Card("RTX 2060", 6 * GIB, 25.8e12, 6.5e12, 336e9),
        Card("RTX 4060", 8 * GIB, 30.2e12, 15.1e12, 272e9),
        Card("RTX 3060", 12 * GIB, 25.6e12, 12.7e12, 360e9),
        Card("T4", 16 * GIB, 65.0e12, 8.1e12, 320e9),
        Card("RTX 3090", 24 * GIB, 71.0e12, 35.6e12, 936e9),
        Card("RTX 4090", 24 * GIB, 165.2e12, 82.6e12, 1008e9),
        Card("A100", 40 * GIB, 312e12, 19.5e12, 1555e9),
        Card("H100", 80 * GIB, 989e12, 67e12, 3350e9),
    )
}


def least_seconds(kernels: Iterable[Kernel], card: Card) -> float:
    """Return the least time for kernels that run one after the other, each at the card's best.

    A kernel takes as long as its arithmetic or its traffic, whichever is more, and no less than handing it over. Real
    kernels reach half of that or so: what the rig is good for is the ratio of two times.
    """
    seconds = 0.0
    for kernel in kernels:
        speed = card.half if kernel.dtype in (torch.float16, torch.bfloat16) else card.full
        seconds += max(kernel.operations / speed, kernel.bytes / card.bandwidth, DISPATCH_SECONDS)
    return seconds
