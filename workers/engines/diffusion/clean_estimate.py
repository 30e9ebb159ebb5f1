"""What the clip will look like, from any scheduler, at any step."""

import functools
from collections.abc import Mapping
from typing import Any


class CleanEstimate:
    """Captures a scheduler's estimate of the clean latents at each step, which shows more than the noisy ones."""

    def __init__(self, scheduler: Any) -> None:
        self.latents: Any = None
        step = scheduler.step

        @functools.wraps(step)
        def listening(*args: Any, **kwargs: Any) -> Any:
            output = step(*args, **kwargs)
            is_tuple = isinstance(output, tuple)
            self.latents = _of_tuple(output, args, kwargs, scheduler) if is_tuple else _of(output, scheduler)
            return output

        scheduler.step = listening


def _of(output: Any, scheduler: Any) -> Any:
    """Return `pred_original_sample` (DDIM, Euler), `denoised` (LCM), or a solver's last model output."""
    for name in ("pred_original_sample", "denoised"):
        if getattr(output, name, None) is not None:
            return getattr(output, name)
    return scheduler.model_outputs[-1] if _predicts_clean(scheduler) else output.prev_sample


def _of_tuple(output: tuple[Any, ...], args: tuple[Any, ...], kwargs: Mapping[str, Any], scheduler: Any) -> Any:
    """Return the estimate where a pipeline asked for a tuple, as those of the newer families do.

    Flow matching predicts the velocity v from the clean latents to the noise, so the clean ones are sample - sigma * v
    (https://arxiv.org/abs/2210.02747). With a time for each token, schedulers want the velocity the other way around.
    """
    if _predicts_clean(scheduler):
        return scheduler.model_outputs[-1]
    if len(output) > 1:
        return output[1]
    sigmas, index = getattr(scheduler, "sigmas", None), getattr(scheduler, "step_index", None)
    if sigmas is None or not index or len(args) < 3:
        return output[0]
    velocity, _timestep, sample = args[:3]
    sigma = sigmas[index - 1].to(sample.device)
    return sample + sigma * velocity if kwargs.get("per_token_timesteps") is not None else sample - sigma * velocity


def _predicts_clean(scheduler: Any) -> bool:
    """Return whether a solver turns what the network predicts into clean latents, and remembers them."""
    algorithm = str(scheduler.config.get("algorithm_type", ""))
    return algorithm.endswith("dpmsolver++") or bool(scheduler.config.get("predict_x0"))
