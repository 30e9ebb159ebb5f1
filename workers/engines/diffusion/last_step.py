"""Where a clip was after its last whole step, so that running out of memory costs that step and not all before it.

Another program may take the memory of a card at any moment of a clip that takes many minutes.
"""

import functools
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from workers.engines.device_errors import is_out_of_memory
from workers.engines.diffusion import checkpoint
from workers.engines.diffusion.clip import Clip


class LastStep:
    """Remembers what a scheduler's last whole step returned. Copies nothing: the pipeline holds these latents anyway.

    Args:
        scheduler: that of one call of a pipeline, from now on.
        done: the steps that were done before.
    """

    def __init__(self, scheduler: Any, done: int = 0) -> None:
        self.done = done
        self._latents: Any = None
        step = scheduler.step

        @functools.wraps(step)  # pipelines look which arguments it takes
        def stepping(*args: Any, **kwargs: Any) -> Any:
            self._latents = None  # what a scheduler remembers of a step that failed is of no use
            output = step(*args, **kwargs)
            self.done, self._latents = self.done + 1, output[0]
            return output

        scheduler.step = stepping

    @contextmanager
    def kept(
        self, clip: Clip, facts: Callable[[], Mapping[str, Any]], scheduler: Any, generator: Any
    ) -> Iterator[None]:
        """Give `clip` a checkpoint of the last whole step if memory runs out; the error propagates."""
        try:
            yield
        except Exception as error:
            known = clip.checkpoint.step if clip.checkpoint else 0
            if is_out_of_memory(error) and self._latents is not None and self.done > known:
                found = checkpoint.keep(self.done, self._latents, facts, scheduler, generator)
                clip.checkpoint = found or clip.checkpoint
            raise
        finally:
            self._latents = None
