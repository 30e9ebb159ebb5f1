"""The weights of a network's blocks: kept in main memory or in 8 bits, and complete only while their block works.

diffusers calls that group offloading and layerwise casting. Its own hooks do not fit here: without a stream they copy
each block back to main memory after use, with one they do not wait for the copy of a block that was not prefetched, and
what they cast to 8 bits cannot be restored. These copy on the stream that computes, and `put_back` restores every bit.
"""

import logging
from collections.abc import Iterator
from typing import Any

from workers.engines.device_errors import is_out_of_memory

logger = logging.getLogger(__name__)

_ATTRIBUTE = "_held_blocks"  # of a network whose blocks are held


class _Held:
    """A parameter or buffer, `name`, of a layer."""

    def __init__(self, layer: Any, name: str) -> None:
        self._layer, self._name = layer, name
        self._original = self._get().detach()

    @property
    def layer_and_name(self) -> tuple[Any, str]:
        return self._layer, self._name

    @property
    def whole_bytes(self) -> int:
        """Return the size of the original tensor."""
        return int(self._original.nbytes)

    @property
    def saved_bytes(self) -> int:
        """Return by how much the tensor is smaller than the original one while its block rests."""
        return int(self._original.nbytes - self._get().nbytes)

    def complete(self) -> None:
        """Let the layer compute."""
        raise NotImplementedError

    def rest(self) -> None:
        """Undo `complete`. Does nothing if that failed."""
        raise NotImplementedError

    def put_back(self) -> None:
        self._set(self._original)

    def _get(self) -> Any:
        return getattr(self._layer, self._name)

    def _set(self, tensor: Any) -> None:
        import torch

        if self._name in self._layer._parameters:
            self._layer._parameters[self._name] = torch.nn.Parameter(tensor, requires_grad=False)
        else:
            self._layer._buffers[self._name] = tensor


class _Away(_Held):
    """In main memory while its block rests."""

    def __init__(self, layer: Any, name: str, device: str) -> None:
        super().__init__(layer, name)
        self._device = device
        self._original = _pinned(self._original.cpu(), device)
        self._nothing = self._original.new_empty(0)
        self.rest()

    def complete(self) -> None:
        self._set(self._original.to(self._device, non_blocking=True))

    def rest(self) -> None:
        self._set(self._nothing)


class _EightBits(_Held):
    """A matrix or kernel as float8_e4m3fn with a power of 2 per row. It moves with its layer."""

    def __init__(self, layer: Any, name: str, device: str) -> None:
        super().__init__(layer, name)
        where = self._original.device
        small, self._scale = to_eight_bits(self._original.to(device))
        self._original = self._original.cpu()
        self._small: Any = None
        self._set(small.to(where))

    def complete(self) -> None:
        self._small = self._get()
        scale = self._scale = self._scale.to(self._small.device)
        self._set(self._small.to(scale.dtype).mul_(scale))

    def rest(self) -> None:
        if self._small is not None:
            self._set(self._small)
            self._small = None


class _Block:
    """A module whose weights are complete only while it computes."""

    def __init__(self, module: Any, weights: list[_Held]) -> None:
        self.weights = weights
        self._hooks = (
            module.register_forward_pre_hook(lambda *_: self._complete()),
            module.register_forward_hook(lambda *_: self._rest(), always_call=True),
        )

    def _complete(self) -> None:
        for weight in self.weights:
            weight.complete()

    def _rest(self) -> None:
        for weight in self.weights:
            weight.rest()

    def put_back(self) -> None:
        for hook in self._hooks:
            hook.remove()
        for weight in self.weights:
            weight.put_back()


def keep_away(unet: Any, device: str) -> None:
    """Keep the weights of a `UNetMotionModel`'s blocks in main memory; each comes to `device` while it works."""
    _hold(unet, lambda module: [_Away(layer, name, device) for layer, name in _tensors(module)])


def keep_in_eight_bits(unet: Any, device: str) -> None:
    """Keep the matrices and kernels of a `UNetMotionModel`'s blocks in 8 bits; it computes in its own precision.

    Normalizations, biases, position encodings and LoRAs keep their precision. The originals stay in main memory.

    Args:
        device: where to compute the small ones. They stay where the large ones were.
    """
    _hold(unet, lambda module: [_EightBits(layer, "weight", device) for layer in _layers(module)])


def put_back(unet: Any) -> None:
    """Give the blocks back the tensors that they had, in main memory. Does nothing if they are not held."""
    for block in unet.__dict__.pop(_ATTRIBUTE, ()):
        block.put_back()


def saved_bytes(module: Any) -> int:
    """Return by how many bytes a module's tensors are smaller now than those that `put_back` restores."""
    return sum(weight.saved_bytes for weight in _held(module))


def block_bytes(network: Any) -> list[int]:
    """Return the size of the weights and buffers of each block that would be held, complete, in bytes."""
    held = {weight.layer_and_name: weight.whole_bytes for weight in _held(network)}

    def size(layer: Any, name: str) -> int:
        return held.get((layer, name), getattr(layer, name).nbytes)

    return [sum(size(*one) for one in _tensors(block)) for block in _blocks(network)]


def to_eight_bits(weight: Any) -> tuple[Any, Any]:
    """Return a weight `[rows, ...]` as float8_e4m3fn, and the scale to multiply it with, `[rows, 1, ...]`.

    Numbers below 2**-6 lose precision in this format, and most weights of wide layers are. So each row is divided by
    the power of 2 that brings its largest number near the format's largest, 448, which loses nothing in half precision.
    """
    import torch

    most = torch.finfo(torch.float8_e4m3fn).max
    largest = weight.flatten(1).abs().amax(dim=1).float().clamp(min=torch.finfo(torch.float16).tiny)
    scale = torch.exp2(torch.ceil(torch.log2(largest / most)))
    scale = scale.reshape(-1, *[1] * (weight.dim() - 1))
    return (weight.float() / scale).to(torch.float8_e4m3fn), scale.to(weight.dtype)


def _held(network: Any) -> Iterator[_Held]:
    for block in network.__dict__.get(_ATTRIBUTE, ()):
        yield from block.weights


def _hold(unet: Any, weights_of: Any) -> None:
    put_back(unet)
    unet.__dict__[_ATTRIBUTE] = blocks = []
    for module in _blocks(unet):
        blocks.append(_Block(module, weights_of(module)))


def _blocks(network: Any) -> Iterator[Any]:
    """Yield the parts of a network that work one after the other.

    Of a UNet, these are residual, attention and motion modules, and samplers; of a transformer, its blocks. A part that
    runs on a piece of its input at a time (`memory.split_inference`) is one block.
    """
    if hasattr(network, "down_blocks"):
        for block in (*network.down_blocks, network.mid_block, *network.up_blocks):
            for parts in block.children() if block is not None else ():
                yield from _listed(parts)
    else:
        yield from _listed(network)


def _listed(module: Any) -> Iterator[Any]:
    """Yield the modules in the outermost lists in a module, or in this one if it is a list."""
    import torch

    if isinstance(module, torch.nn.ModuleList):
        yield from module
    else:
        for child in module.children():
            yield from _listed(child)


def _tensors(module: Any) -> Iterator[tuple[Any, str]]:
    """Yield the layer and the name of every parameter and buffer."""
    for layer in module.modules():
        for own in (layer._parameters, layer._buffers):
            yield from [(layer, name) for name, tensor in own.items() if tensor is not None]


def _layers(module: Any) -> Iterator[Any]:
    """Yield the layers whose weights take the memory, except those of LoRAs."""
    import torch

    for name, layer in module.named_modules():
        if isinstance(layer, torch.nn.Linear | torch.nn.Conv2d) and "lora_" not in name:
            yield layer


def _pinned(tensor: Any, device: str) -> Any:
    """Return a tensor in memory from which a card reads directly; as it is if there is not enough of that."""
    if not device.startswith("cuda") or tensor.is_pinned():
        return tensor
    try:
        return tensor.pin_memory()
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
        logger.warning("Main memory cannot be pinned, so weights are copied to the card more slowly: %s", error)
        return tensor
