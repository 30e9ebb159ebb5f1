"""What the clip will look like, from any scheduler, at any step."""

import functools
from typing import Any


class CleanEstimate:
    """Captures a scheduler's estimate of the clean latents at each step, which shows more than the noisy ones."""

    def __init__(self, scheduler: Any) -> None:
        self.latents: Any = None
        step = scheduler.step

        @functools.wraps(step)
        def listening(*args: Any, **kwargs: Any) -> Any:
            output = step(*args, **kwargs)
            self.latents = self._of(output, scheduler)
            return output

        scheduler.step = listening

    @staticmethod
    def _of(output: Any, scheduler: Any) -> Any:
        """Return `pred_original_sample` (DDIM, Euler), `denoised` (LCM), or a solver's last model output."""
        for name in ("pred_original_sample", "denoised"):
            if getattr(output, name, None) is not None:
                return getattr(output, name)
        solver = str(scheduler.config.get("algorithm_type", ""))
        if solver.endswith("dpmsolver++") or scheduler.config.get("predict_x0"):
            return scheduler.model_outputs[-1]
        return output.prev_sample
