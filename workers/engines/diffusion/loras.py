"""LoRAs beside a pipeline's weights: exactly those that a clip asks for, or none."""

from collections.abc import Callable, Sequence
from typing import Any

from workers.engines.base import Lora


def replace_loras(pipeline: Any, loras: Sequence[Lora], load: Callable[[Lora, str], None]) -> None:
    """Apply exactly these LoRAs to the pipeline, replacing any others.

    They are kept beside the weights, not fused, so that removing them restores every bit.

    Args:
        load: applies one of them as a whole under a name, or raises a `RenderError`. Then none is applied.
    """
    _unload(pipeline)
    try:
        for index, lora in enumerate(loras):
            load(lora, f"lora{index}")
    except BaseException:
        _unload(pipeline)
        raise
    if loras:
        pipeline.set_adapters([f"lora{index}" for index in range(len(loras))], [lora.weight for lora in loras])


def _unload(pipeline: Any) -> None:
    if hasattr(pipeline, "unload_lora_weights"):  # not every family can have LoRAs
        pipeline.unload_lora_weights()
