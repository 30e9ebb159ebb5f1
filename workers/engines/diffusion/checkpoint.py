"""Where a clip is between two steps, in bytes, to continue it later, in any process, bit for bit.

Safetensors: the latents, the state of the noise generator, and the scheduler's, whose solvers remember earlier steps.
The header holds the step, what the clip is (`facts`), and a SHA-256 of everything.
"""

import hashlib
import json
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from generation.domain.errors import Paused

logger = logging.getLogger(__name__)

LATENTS, GENERATOR = "latents", "generator"
_CONFIG = "_internal_dict"  # of every diffusers scheduler; it is made from `facts`, not restored


class Unfit(Exception):
    """A checkpoint cannot be used: it is damaged, or that of another clip, model, precision or version."""


@dataclass(frozen=True)
class Checkpoint:
    """A clip after `step` steps of its scheduler; `data` is what it was read from."""

    step: int
    latents: Any  # [1, C, F, h, w] on the CPU
    data: bytes
    _state: Mapping[str, Any]
    _tensors: Mapping[str, Any]

    def restore(self, scheduler: Any, generator: Any, device: Any) -> None:
        """Bring a scheduler of the same class and configuration, and the noise generator, to where they were."""
        for name, packed in self._state["scheduler"].items():
            setattr(scheduler, name, _unpacked(packed, self._tensors, device))
        generator.set_state(self._tensors[GENERATOR])


def capture(step: int, latents: Any, facts: Mapping[str, Any], scheduler: Any = None, generator: Any = None) -> bytes:
    """Return where a clip is after `step` steps. A denoised one needs neither `scheduler` nor `generator`.

    Args:
        latents: `[1, C, F, h, w]`, on any device.
        facts: what must be the same to continue, as JSON can hold it.

    Raises:
        TypeError: the scheduler remembers something that is neither a number nor a tensor.
    """
    from safetensors.torch import save

    tensors = {LATENTS: latents.detach().cpu().contiguous()}
    state: dict[str, Any] = {"step": step, "facts": dict(facts), "scheduler": {}}
    if scheduler is not None:
        own = {name: value for name, value in vars(scheduler).items() if name != _CONFIG and not callable(value)}
        state["scheduler"] = {name: _packed(value, f"scheduler.{name}", tensors) for name, value in own.items()}
    if generator is not None:
        tensors[GENERATOR] = generator.get_state()
    text = json.dumps(state, sort_keys=True)
    return save(tensors, {"state": text, "sha256": _digest(tensors, text)})


def attach(
    pause: Paused,
    step: int,
    latents: Any,
    facts: Callable[[], Mapping[str, Any]],
    scheduler: Any = None,
    generator: Any = None,
) -> None:
    """Let `pause` take along where a clip is, as `capture` describes it, if that can be stored."""
    try:
        pause.checkpoint = capture(step, latents, facts(), scheduler, generator)
    except Exception as error:  # a clip that begins again is better than one that fails
        logger.warning("The clip will begin again after the pause: %s", error, exc_info=error)


def keep(
    step: int,
    latents: Any,
    facts: Callable[[], Mapping[str, Any]],
    scheduler: Any = None,
    generator: Any = None,
) -> Checkpoint | None:
    """Return where a clip is, as `capture` describes it, to continue it in this process; None if that cannot be."""
    try:
        said = facts()
        return read(capture(step, latents, said, scheduler, generator), said)
    except Exception as error:  # a clip that begins again is better than one that fails
        logger.warning("What is done of the clip cannot be kept: %s", error, exc_info=error)
        return None


def read(data: bytes, facts: Mapping[str, Any]) -> Checkpoint:
    """Return a checkpoint that `capture` wrote.

    Raises:
        Unfit: it is damaged, or its facts are others; the text says which.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])["__metadata__"]
        tensors = load(data)
        if header["sha256"] != _digest(tensors, header["state"]):
            raise ValueError("the checksum is another")
        state = json.loads(header["state"])
        step, stored = int(state["step"]), dict(state["facts"])
    except (SafetensorError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise Unfit(f"it is damaged: {error}") from error
    wanted = json.loads(json.dumps(dict(facts)))
    if other := sorted(name for name in {*stored, *wanted} if stored.get(name) != wanted.get(name)):
        raise Unfit(f"it was made with another {', '.join(other)}")
    return Checkpoint(step, tensors[LATENTS], data, state, tensors)


@contextmanager
def continued(pipeline: Any, scheduler: Any, generator: Any, checkpoint: Checkpoint) -> Iterator[None]:
    """Let the next call of a diffusers pipeline, with this scheduler and generator, do the steps that are left.

    The pipeline sets its scheduler's timesteps, reads them once as its loop, and then prepares the latents. So the
    first of these is cut to the rest, and the second brings everything to where it was.
    """
    set_timesteps = scheduler.set_timesteps

    def set_rest(*args: Any, **kwargs: Any) -> None:
        set_timesteps(*args, **kwargs)
        scheduler.timesteps = scheduler.timesteps[checkpoint.step :]

    def prepare(
        _batch: int, _channels: int, _frames: int, _height: int, _width: int, _dtype: Any, device: Any, *_rest: Any
    ) -> Any:
        checkpoint.restore(scheduler, generator, device)
        return checkpoint.latents.to(device, copy=True)  # in the precision that the last step returned

    scheduler.set_timesteps, pipeline.prepare_latents = set_rest, prepare
    try:
        yield
    finally:
        del scheduler.set_timesteps, pipeline.prepare_latents


def _packed(value: Any, name: str, tensors: dict[str, Any]) -> dict[str, Any]:
    """Return a value of a scheduler as JSON; put its tensors into `tensors`, under names that begin with `name`."""
    import torch

    if value is None or isinstance(value, bool | int | float | str):
        return {"plain": value}
    if isinstance(value, list | tuple):
        packed = [_packed(item, f"{name}.{index}", tensors) for index, item in enumerate(value)]
        return {"list": packed, "tuple": isinstance(value, tuple)}
    if isinstance(value, torch.Tensor):
        tensors[name] = value.detach().cpu().contiguous().clone()  # a file may not hold one piece of memory twice
        return {"tensor": name, "host": value.device.type == "cpu"}
    if isinstance(value, np.ndarray | np.generic):
        tensors[name] = torch.from_numpy(np.array(value))
        return {"array": name}
    raise TypeError(f"{name} is a {type(value).__name__}")


def _unpacked(packed: Mapping[str, Any], tensors: Mapping[str, Any], device: Any) -> Any:
    """Return what `_packed` packed. Copies: some schedulers add to their tensors in place."""
    if "plain" in packed:
        return packed["plain"]
    if "list" in packed:
        items = [_unpacked(item, tensors, device) for item in packed["list"]]
        return tuple(items) if packed["tuple"] else items
    if "array" in packed:
        return tensors[packed["array"]].numpy().copy()
    return tensors[packed["tensor"]].to("cpu" if packed["host"] else device, copy=True)


def _digest(tensors: Mapping[str, Any], text: str) -> str:
    import torch

    digest = hashlib.sha256(text.encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {list(tensor.shape)}".encode())
        if tensor.numel():  # torch refuses to look at the bytes of an empty one, such as PNDM's first timesteps
            digest.update(tensor.contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
