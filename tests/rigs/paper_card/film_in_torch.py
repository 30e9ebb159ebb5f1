"""What FILM's published network takes of a card in torch, traced on paper."""

from pathlib import Path

import torch

from generation.catalogue.card_memory import CONTEXT, GAPS
from tests.film.published import FULL, shapes
from tests.rigs.paper_card.card import PaperCard
from workers.engines.film_torch.layouts import Layer, published
from workers.engines.film_torch.operations import Convolution
from workers.engines.film_torch.saved_variables import Variable


def traced_bytes(width: int, height: int, pairs: int = 1) -> int:
    """Return what the published network takes of a card in torch, as `needed_bytes` counts it."""
    with PaperCard() as card:
        network = _layout().made_of(_on_the_card)
        card.start_over()
        frames = torch.empty((pairs, height, width, 3), device="cuda").permute(0, 3, 1, 2)
        with torch.inference_mode():
            network(frames, frames, torch.empty(pairs, device="cuda"))
        return card.peak + CONTEXT + GAPS


def _layout():
    variables = []
    for name, (side, ins, outs) in shapes(FULL).items():
        for part, shape in (("kernel", (side, side, ins, outs)), ("bias", (outs,))):
            variables.append(Variable("", f"{name}/{part}", shape, Path(), 0))
    return published(variables)


def _on_the_card(layer: Layer) -> Convolution:
    side, _, ins, outs = layer.kernel.shape
    weight = torch.empty((outs, ins, side, side), device="cuda").to(memory_format=torch.channels_last)
    return Convolution(weight, torch.empty(outs, device="cuda"))
