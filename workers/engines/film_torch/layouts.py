"""The networks whose weights we know: the tiny one that ships, and FILM as published (Reda et al., 2022).

Recognized by the names and shapes of their variables, without torch: an operator's own SavedModel with FILM's signature
may hold any other network, which only TensorFlow can run.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workers.engines.film_torch.saved_variables import Variable, read_variables

TINY_LAYERS = {
    "choose", "deeper", "deepest", "first", "fuse", "fuse_more", "second",
    *(f"estimators/{index}/{layer}" for index in (0, 1) for layer in ("body", "enter", "hidden", "velocity")),
}  # fmt: skip
# Keras numbers the layers of the fusion in the order in which they were created; the first has no number.
_FEATURES = re.compile(r"feat_net/sub_extractor/cfeat_conv_(\d+)$")
_FLOW = re.compile(r"predict_flow/flow_predictor_(\d+|shared)/conv_(\d+)$")
_FUSION = re.compile(r"fusion/conv2d(?:_(\d+))?$")
CONVOLUTIONS_PER_LEVEL = 3  # of the fusion


@dataclass(frozen=True)
class Layer:
    """A convolution's variables: kernel [height, width, in, out] and bias [out]."""

    kernel: Variable
    bias: Variable


@dataclass(frozen=True)
class TinyLayout:
    """The layers of workers/tiny/networks/film.py, by name."""

    layers: dict[str, Layer]

    def network(self, device: str) -> Any:
        """Return the network, with its weights on a torch device."""
        from workers.engines.film_torch.tiny import TinyFilm

        return TinyFilm({name: read(layer, device) for name, layer in self.layers.items()})


@dataclass(frozen=True)
class PublishedLayout:
    """The layers of the published networks.

    `features`: of the feature extractor, two per scale. `flows`: of each flow predictor; the last one is shared by the
    coarser levels. `fusion`: three for each level, finest level first; `output` makes the colours.
    """

    features: list[Layer]
    flows: list[list[Layer]]
    fusion: list[list[Layer]]
    output: Layer

    def network(self, device: str) -> Any:
        """Return the network, with its weights on a torch device."""
        return self.made_of(lambda layer: read(layer, device))

    def made_of(self, convolution: Callable[[Layer], Any]) -> Any:
        """Return the network of the convolutions that are made for each layer."""
        from workers.engines.film_torch.published import PublishedFilm

        return PublishedFilm(
            features=[convolution(layer) for layer in self.features],
            flows=[[convolution(layer) for layer in layers] for layers in self.flows],
            fusion=[[convolution(layer) for layer in layers] for layers in self.fusion],
            output=convolution(self.output),
        )


Layout = TinyLayout | PublishedLayout


def read(layer: Layer, device: str) -> Any:
    """Return a layer's weights on a torch device."""
    from workers.engines.film_torch.operations import Convolution

    return Convolution.of(layer.kernel.read(), layer.bias.read(), device)


def layout_of(folder: Path) -> Layout | None:
    """Return the layout of a SavedModel's weights; None if it is not one of those that are known.

    Raises:
        OSError, ValueError: its variables cannot be read.
    """
    variables = read_variables(folder)
    return _tiny(variables) or published(variables)


def _tiny(variables: list[Variable]) -> TinyLayout | None:
    layers = _layers({variable.key: variable for variable in variables})
    return TinyLayout(layers) if layers and layers.keys() == TINY_LAYERS else None


def published(variables: list[Variable]) -> PublishedLayout | None:
    """Return the layers of a published network, whatever its widths; None if it is another network."""
    layers = _layers({variable.name.partition(":")[0]: variable for variable in variables})
    if not layers:
        return None
    features: dict[int, Layer] = {}
    flows: dict[int, dict[int, Layer]] = {}
    fusion: dict[int, Layer] = {}
    for name, layer in layers.items():
        if found := _FEATURES.search(name):
            features[int(found[1])] = layer
        elif found := _FLOW.search(name):
            predictor = len(layers) if found[1] == "shared" else int(found[1])
            flows.setdefault(predictor, {})[int(found[2])] = layer
        elif found := _FUSION.search(name):
            fusion[int(found[1] or 0)] = layer
        else:
            return None
    if len(fusion) % CONVOLUTIONS_PER_LEVEL != 1 or len(features) % 2:
        return None
    *body, output = _ordered(fusion)
    layout = PublishedLayout(
        _ordered(features),
        [_ordered(flows[predictor]) for predictor in sorted(flows)],
        [body[start : start + CONVOLUTIONS_PER_LEVEL] for start in range(0, len(body), CONVOLUTIONS_PER_LEVEL)],
        output,
    )
    return layout if _fits(layout) else None


def _layers(variables: dict[str, Variable]) -> dict[str, Layer] | None:
    """Return the convolutions by name; None if there is anything else."""
    found = {}
    for name, kernel in variables.items():
        layer, _, part = name.rpartition("/")
        bias = variables.get(f"{layer}/bias")
        if part not in ("kernel", "bias") or bias is None or len(bias.shape) != 1:
            return None
        if part == "kernel":
            if len(kernel.shape) != 4 or kernel.shape[3:] != bias.shape:
                return None
            found[layer] = Layer(kernel, bias)
    return found if 2 * len(found) == len(variables) else None


def _ordered(layers: dict[int, Layer]) -> list[Layer]:
    return [layers[number] for number in sorted(layers)]


def _fits(layout: PublishedLayout) -> bool:
    """Return whether each layer takes what the ones before give."""
    widths = [layer.kernel.shape[3] for layer in layout.features[1::2]]
    if not widths or len(layout.flows) < 2 or not layout.fusion:
        return False
    cascade = [sum(widths[: level + 1]) for level in range(len(layout.fusion) + 1)]  # features of a level
    flows = all(
        layers[0].kernel.shape[2] == 2 * cascade[min(level, len(cascade) - 1)] and layers[-1].kernel.shape[3] == 2
        for level, layers in enumerate(layout.flows)
    )
    aligned = [2 * (3 + features) + 4 for features in cascade]  # both warped frames with their features, both flows
    below = [layers[-1].kernel.shape[3] for layers in layout.fusion[1:]] + [aligned[-1]]
    fusion = all(
        (layers[0].kernel.shape[2], layers[1].kernel.shape[2])
        == (below[level], aligned[level] + layers[0].kernel.shape[3])
        for level, layers in enumerate(layout.fusion)
    )
    return flows and fusion and layout.output.kernel.shape[2:] == (layout.fusion[0][-1].kernel.shape[3], 3)
