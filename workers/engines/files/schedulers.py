"""Schedulers: the one beside a model, with what the catalogue's entry says."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from generation.catalogue.diffusers_names import ANIMATEDIFF_SCHEDULERS
from workers.engines.files.configs import read_json
from workers.engines.files.source import Source

logger = logging.getLogger(__name__)

# For a base whose own scheduler is not among these, unless the catalogue names one: as AnimateDiff was trained.
ANIMATEDIFF_SCHEDULER: Mapping[str, Any] = {
    "class": "DDIMScheduler",
    "beta_schedule": "linear",
    "clip_sample": False,
    "timestep_spacing": "linspace",
    "steps_offset": 1,
}

# What a scheduler says about the network, whichever scheduler samples it. Solver options make sense only
# for the class they were saved with: DEIS's `algorithm_type`, for one, stops DPM-Solver from being created.
TRAINED_WITH = (
    "beta_end", "beta_schedule", "beta_start", "clip_sample", "clip_sample_range", "dynamic_thresholding_ratio",
    "num_train_timesteps", "prediction_type", "rescale_betas_zero_snr", "sample_max_value", "set_alpha_to_one",
    "steps_offset", "thresholding", "timestep_spacing", "trained_betas",
)  # fmt: skip


def make_scheduler(
    entry: Mapping[str, Any] | None, base: Path, source: Source, allowed: Sequence[str] = ANIMATEDIFF_SCHEDULERS
) -> Any:
    """Return a new scheduler: the base's configuration, updated with the catalogue's `entry`.

    Many checkpoints were saved with a scheduler that was never meant for AnimateDiff (DEIS, Heun, LMS, KDPM2 ...). It
    is no reason to refuse them: without an entry, `ANIMATEDIFF_SCHEDULER` takes its place.

    Args:
        entry: a class name from `allowed` under "class" plus configuration fields; None or empty for the base's own.
        allowed: class names; a base whose own is not among these gets AnimateDiff's, if that is one of them.

    Raises:
        ValueError: the class is not allowed or has no such field (an error in the catalogue, not a damaged file).
    """
    import inspect

    import diffusers

    path = base / "scheduler" / "scheduler_config.json"
    config = read_json(path, source)
    fields = dict(entry or {})
    own_name = config.get("_class_name")
    if "class" not in fields and own_name not in allowed and ANIMATEDIFF_SCHEDULER["class"] in allowed:
        logger.info("%s: its scheduler %s is not used with AnimateDiff; using ours", source.label, own_name)
        fields = {**ANIMATEDIFF_SCHEDULER, **fields}
    name = fields.pop("class", own_name)
    if name not in allowed:
        raise ValueError(f"{source.label}: scheduler {name!r} is none of {', '.join(allowed)}")
    cls = getattr(diffusers, name)
    known = inspect.signature(cls.__init__).parameters
    unknown = sorted(set(fields) - set(known))
    if unknown:
        raise ValueError(f"{source.label}: {name} has no field {', '.join(unknown)}")
    with source.reading(path):
        kept = known if name == own_name else set(known).intersection(TRAINED_WITH)
        own = {key: value for key, value in config.items() if key in kept}
        return cls.from_config({**own, **fields})
