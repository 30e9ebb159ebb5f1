"""LoRAs of an AnimateDiff pipeline, applied whole or refused."""

import logging
from collections.abc import Sequence
from typing import Any

from generation.domain.errors import RenderError
from workers.engines import lora_files
from workers.engines.base import Lora
from workers.engines.diffusion.loras import replace_loras
from workers.engines.files.source import Source

logger = logging.getLogger(__name__)


def set_loras(pipeline: Any, loras: Sequence[Lora], base: Source) -> None:
    """Apply exactly these LoRAs to the pipeline, replacing any others.

    Raises:
        RenderError: a LoRA is missing, damaged, or does not fit as a whole ("lora-..."). Then none is applied.
    """
    replace_loras(pipeline, loras, lambda lora, name: _load_lora(pipeline, lora, name, base))


def _load_lora(pipeline: Any, lora: Lora, name: str, base: Source) -> None:
    source = Source(lora.label, lora.command)
    file = lora_files.lora_file(lora.path, source)
    with source.reading(file):
        shapes = lora_files.read_shapes(file)
    text_width = pipeline.unet.config.cross_attention_dim
    lora_files.refuse_others(shapes, text_width, base=base.label, label=lora.label, file=file.name)
    where: dict[str, Any] = {"weight_name": file.name, "local_files_only": True}
    networks = (pipeline.unet, pipeline.text_encoder)
    with source.reading(file):  # of half a module, for one, diffusers finds the other half missing
        try:
            state, _alphas = pipeline.lora_state_dict(str(file.parent), **where)
        except ValueError as error:  # it knows some of the keys, but not all
            logger.warning("%s: %s has keys of an unknown layout: %.300s", lora.label, file, error)
            raise RenderError("lora-layout", model=lora.label, layout=lora_files.unusual_key(shapes)) from error
        matching, total = lora_files.count_matches(state, *networks)
        if matching == total:
            pipeline.load_lora_weights(str(file.parent), adapter_name=name, **where)
            matching = lora_files.count_applied(name, *networks)
    if matching < total:
        raise RenderError("lora-mismatch", model=lora.label, matching=matching, total=total, base=base.label)
