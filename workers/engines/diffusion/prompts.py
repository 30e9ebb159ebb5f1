"""What the text encoder made of the last prompts: the clips of a batch often share theirs."""

import inspect
import logging
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any

logger = logging.getLogger(__name__)

MOST = 32  # calls that are remembered
MOST_BYTES = 64 * 2**20  # at 77 tokens of 768 numbers and two prompts each, 32 calls take 15 MB; long prompts more


class PromptCache:
    """Remembers the embeddings of a pipeline's last prompts, in main memory, as long as the pipeline lives."""

    def __init__(self, pipeline: Any) -> None:
        self._encode: Callable[..., Any] = pipeline.encode_prompt
        self._signature = inspect.signature(self._encode)
        self._kept: OrderedDict[Hashable, tuple[Any, ...]] = OrderedDict()
        pipeline.encode_prompt = self._cached

    def clear(self) -> None:
        """Forget everything, since the text encoder has changed."""
        self._kept.clear()

    @property
    def _bytes(self) -> int:
        return sum(part.nbytes for made in self._kept.values() for part in made if part is not None)

    def _cached(self, *args: Any, **kwargs: Any) -> tuple[Any, ...]:
        asked = self._signature.bind(*args, **kwargs).arguments
        device = asked.pop("device", None)
        least = getattr(self._encode, "least", 1)  # chunks, see long_prompts.py
        key = _frozen([least, sorted(asked.items(), key=lambda pair: pair[0])])
        if key not in self._kept:
            made = self._encode(*args, **kwargs)
            self._kept[key] = tuple(part if part is None else part.detach().cpu() for part in made)
            while len(self._kept) > MOST or self._bytes > MOST_BYTES:
                self._kept.popitem(last=False)
            return tuple(made)
        self._kept.move_to_end(key)
        logger.debug("The prompt is encoded already")
        return tuple(part if part is None else part.to(device) for part in self._kept[key])


def _frozen(value: Any) -> Hashable:
    return tuple(map(_frozen, value)) if isinstance(value, list | tuple) else value
