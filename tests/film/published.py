"""The layers of FILM as published, by name, without any library of networks.

From the paper and the configuration of the published networks (Reda et al., 2022: `film_net-Style.gin`). `Sizes` scales
the channels; all else is as published.
"""

from dataclasses import dataclass

LEVELS, FUSED, SPECIAL, CASCADE = 7, 5, 3, 4
OUTPUT = "fusion/conv2d_12"


@dataclass(frozen=True)
class Sizes:
    """Feature channels of the finest level, and channels of the four flow predictors."""

    filters: int = 64
    flows: tuple[int, ...] = (32, 64, 128, 256)


FULL = Sizes()
SMALL = Sizes(8, (8, 8, 16, 16))


def shapes(sizes: Sizes) -> dict[str, tuple[int, int, int]]:
    """Return the side of the kernel and the channels in and out of each layer, by its published name, in order."""
    found = {}
    for index in range(2 * CASCADE):
        ins = 3 if index == 0 else sizes.filters << (index - 1) // 2
        found[f"feat_net/sub_extractor/cfeat_conv_{index}"] = (3, ins, sizes.filters << index // 2)
    for level in range(SPECIAL + 1):
        width, ins = sizes.flows[level], 2 * features(sizes, level)
        for index, (side, outs) in enumerate(((3, width), (3, width), (3, width), (1, width // 2), (1, 2))):
            found[f"{predictor(level)}/conv_{index}"] = (side, ins, outs)
            ins = outs
    for level in range(FUSED - 1):
        width = sizes.filters << min(level, SPECIAL)
        below = sizes.filters << min(level + 1, SPECIAL) if level < FUSED - 2 else aligned(sizes, FUSED - 1)
        for index, (side, ins) in enumerate(((2, below), (3, aligned(sizes, level) + width), (3, width))):
            found[fusion(level, index)] = (side, ins, width)
    found[OUTPUT] = (1, sizes.filters, 3)
    return found


def features(sizes: Sizes, level: int) -> int:
    return sum(sizes.filters << index for index in range(min(level + 1, CASCADE)))


def aligned(sizes: Sizes, level: int) -> int:
    return 2 * (3 + features(sizes, level)) + 4


def predictor(level: int) -> str:
    return f"predict_flow/flow_predictor_{level if level < SPECIAL else 'shared'}"


def fusion(level: int, index: int) -> str:
    """Return the name of a fusion layer: Keras numbers them as they are created, and the first has no number."""
    number = 3 * level + index
    return f"fusion/conv2d_{number}" if number else "fusion/conv2d"
