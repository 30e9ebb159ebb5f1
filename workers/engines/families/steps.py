"""What happens between two steps of any pipeline: progress, preview, pause, and going on where a clip stopped.

Not every pipeline has a callback (HunyuanVideo-1.5 has none), but each calls its scheduler's `step` once a step. So
that is where we listen. To continue, the pipeline runs its own loop from the start; for the steps that are done, the
networks return zeros at once, and the last of them brings everything to where it was. That needs to know nothing of the
loop.
"""

import functools
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from generation.domain.errors import Paused
from workers.engines.diffusion import checkpoint as checkpoints
from workers.engines.diffusion.checkpoint import Checkpoint
from workers.engines.diffusion.clean_estimate import CleanEstimate
from workers.engines.diffusion.clip import Clip
from workers.engines.diffusion.last_step import LastStep
from workers.engines.diffusion.parts import denoisers
from workers.engines.precision import NETWORK, NotFinite

Report = Callable[[int, Any], None]
"""Called as `report(steps done, estimate of the clean latents)`."""


_OTHER = "_step_returned"  # what a scheduler's step returned beside the latents, which some pipelines pass on


class Steps:
    """Listens to the scheduler of a pipeline while that makes a clip.

    Args:
        pipeline: whose scheduler it is.
        clip: what is being made. If it has a checkpoint, the pipeline continues there; after the last step, it gets one
            from which only decoding is left; if memory runs out, one of the last whole step.
        generator: the noise generator that the pipeline was given.
        facts: returns what a checkpoint of this clip says of it.
        report: called after every step.
    """

    def __init__(
        self,
        pipeline: Any,
        clip: Clip,
        generator: Any,
        facts: Callable[[], Mapping[str, Any]],
        report: Report,
    ) -> None:
        self._pipeline, self._clip, self._generator = pipeline, clip, generator
        self._facts, self._report = facts, report
        self._found = clip.checkpoint
        self._estimate: CleanEstimate | None = None
        self.done = 0

    @contextmanager
    def heard(self) -> Iterator[None]:
        """Listen to the pipeline's next call.

        That call raises:
            NotFinite: the network returned NaN or infinity; at the first step that does.
            Paused: `report` raised it; it takes the clip's checkpoint along.
        """
        scheduler = self._pipeline.scheduler
        self._estimate = CleanEstimate(scheduler)
        last = LastStep(scheduler, self._found.step if self._found else 0)
        step = scheduler.step

        @functools.wraps(step)  # pipelines look which arguments it takes
        def stepping(*args: Any, **kwargs: Any) -> Any:
            return self._step(step, args, kwargs)

        scheduler.step = stepping
        try:
            with last.kept(self._clip, self._facts, scheduler, self._generator), self._skipping():
                yield
        finally:
            del scheduler.step

    @contextmanager
    def _skipping(self) -> Iterator[None]:
        """Let the networks return zeros at once for the steps that are done."""
        put_back = [_replace_forward(network, self._is_done) for network in denoisers(self._pipeline)]
        try:
            yield
        finally:
            for undo in put_back:
                undo()

    def _is_done(self) -> bool:
        """Return whether the step that the pipeline is at was done before the pause."""
        return self._found is not None and self.done < self._found.step

    def _step(self, step: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if self._found is not None and self._is_done():
            return self._skipped(self._found, args, kwargs)
        output = step(*args, **kwargs)
        self.done += 1
        latents, *others = output
        scheduler = self._pipeline.scheduler
        if others:
            setattr(scheduler, _OTHER, others[0])  # a checkpoint has what a scheduler remembers
        if not latents.isfinite().all():
            raise NotFinite(NETWORK, f"step {self.done} gave no numbers")
        self._finish(latents, scheduler)
        try:
            self._report(self.done, self._estimate.latents if self._estimate else latents)
        except Paused as pause:
            checkpoints.attach(pause, self.done, latents, self._facts, scheduler, self._generator)
            raise
        return output

    def _finish(self, latents: Any, scheduler: Any) -> None:
        """After the last step, keep a checkpoint, in case that decoding runs out of memory."""
        if self.done == self._clip.steps:
            found = checkpoints.keep(self.done, latents, self._facts, scheduler, self._generator)
            self._clip.checkpoint = found or self._clip.checkpoint

    def _skipped(self, found: Checkpoint, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, ...]:
        """Return what the last of the skipped steps returned; until then, anything of that form."""
        self.done += 1
        sample = next(value for value in (*args, *kwargs.values()) if _is_like(value, found.latents))
        if self.done < found.step:
            return sample, sample
        scheduler = self._pipeline.scheduler
        found.restore(scheduler, self._generator, sample.device)
        return found.latents.to(sample.device, copy=True), getattr(scheduler, _OTHER, None)


def _is_like(value: Any, latents: Any) -> bool:
    return getattr(value, "shape", None) == latents.shape


def _replace_forward(network: Any, is_done: Callable[[], bool]) -> Callable[[], None]:
    """Let a network return zeros while `is_done`. Return what undoes that."""
    before, is_own = network.forward, "forward" in network.__dict__

    def forward(*args: Any, **kwargs: Any) -> Any:
        if not is_done():
            return before(*args, **kwargs)
        return (_zeros(network, kwargs["hidden_states"] if "hidden_states" in kwargs else args[0]),)

    def undo() -> None:
        if is_own:
            network.forward = before
        else:
            del network.forward

    network.forward = forward
    return undo


def _zeros(network: Any, hidden: Any) -> Any:
    """Return zeros in the form of a network's output, which may have fewer channels than its input."""
    into, out = network.config.get("in_channels"), network.config.get("out_channels")
    if out is not None and into != out and hidden.dim() == 5 and hidden.shape[1] == into:
        hidden = hidden[:, :out]
    return hidden.new_zeros(hidden.shape)
