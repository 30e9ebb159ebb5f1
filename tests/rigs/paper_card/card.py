"""A rig: a graphics card on paper. The real code runs on `cuda` tensors that have a size and a device, but no content.

torch's FakeTensorMode checks shape, device and dtype of every operation and computes nothing. `Memory` counts what is
alive on the card and raises torch's own out-of-memory error beyond the budget. docs/performance.md, 'A card on paper',
says what this cannot show.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from types import SimpleNamespace
from typing import Any, Self
from unittest import mock

import numpy as np
import torch
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode
from torch.overrides import TorchFunctionMode
from torch.utils.weak import WeakIdKeyDictionary

from tests.rigs.paper_card.memory import Kernel, Memory

_NUMPY = {
    torch.uint8: np.uint8,
    torch.int64: np.int64,
    torch.float16: np.float16,
    torch.float32: np.float32,
    torch.float64: np.float64,
}
FLASH_WIDTH = 256  # the widest attention head that the flash kernel takes
MASK_ROW = 8  # the memory-efficient kernel reads masks whose rows are a multiple of it; torch pads a copy of the others
UNLIMITED = 2**50


class PaperCard:
    """A card on paper. Use it as a context manager: inside, `cuda` is this card, and no tensor has content.

    Args:
        budget: bytes that torch can have of it; None for no limit.
        capability: the compute capability that it reports.
    """

    def __init__(self, budget: int | None = None, capability: tuple[int, int] = (8, 6)) -> None:
        self.memory = Memory(budget)
        self.capability = capability
        self.stages: dict[str, int] = {}
        self.kernels: dict[str, list[Kernel]] = {}
        self._begun = 0
        self._files: dict[bytes, dict[str, torch.Tensor]] = {}  # safetensors that were written
        self._exit = ExitStack()

    def __enter__(self) -> Self:
        for patch in self._patches():
            self._exit.enter_context(patch)
        self._exit.enter_context(_NoDriver(allow_non_fake_inputs=True))
        self._exit.enter_context(self.memory)
        self._exit.enter_context(_OnPaper())
        return self

    def __exit__(self, *error: Any) -> None:
        self._exit.__exit__(*error)

    @property
    def peak(self) -> int:
        """Return the most bytes that were allocated at once."""
        return max(self.memory.peak, *self.stages.values(), 0)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Record the most bytes allocated within, under this name, in `stages`."""
        self.begin()
        try:
            yield
        finally:
            self.end(name)

    def begin(self) -> None:
        """Begin a stage. What was allocated since the last one ended counts as "between"."""
        self._record("between")
        self._begun = len(self.memory.kernels)

    def end(self, name: str) -> None:
        """End a stage: record its peak (the largest, if it runs several times) and the kernels of its last run."""
        self._record(name)
        self.kernels[name] = self.memory.kernels[self._begun :]

    def start_over(self) -> None:
        """Forget what was recorded; what is on the card stays there."""
        self.stages.clear()
        self.kernels.clear()
        self.memory.kernels.clear()
        self.memory.moved = self.memory.refused = 0
        self.memory.peak = self.memory.now

    def watch(self, name: str, module: torch.nn.Module) -> None:
        """Record every call of a module as a stage."""
        module.register_forward_pre_hook(lambda *_: self.begin())
        module.register_forward_hook(lambda *_: self.end(name))

    def _record(self, name: str) -> None:
        self.stages[name] = max(self.stages.get(name, 0), self.memory.peak)
        self.memory.peak = self.memory.now

    def _patches(self) -> Iterator[Any]:
        """Yield what torch asks the driver, answered by this card, and torch's way of moving a module."""
        budget = self.memory.budget or UNLIMITED
        answers: dict[str, Callable[..., Any]] = {
            "is_available": lambda: True,
            "device_count": lambda: 1,
            "current_device": lambda: 0,
            "empty_cache": lambda: None,
            "synchronize": lambda *_: None,
            "mem_get_info": lambda *_: (budget - self.memory.now, budget),
            "memory_allocated": lambda *_: self.memory.now,
            "memory_reserved": lambda *_: self.memory.now,
            "max_memory_allocated": lambda *_: self.peak,
            "get_device_capability": lambda *_: self.capability,
            "get_device_name": lambda *_: "a card on paper",
            "get_device_properties": lambda *_: SimpleNamespace(total_memory=budget, name="a card on paper"),
            "is_bf16_supported": lambda *_, **__: self.capability >= (8, 0),
        }
        for name, answer in answers.items():
            yield mock.patch.object(torch.cuda, name, answer)
        yield mock.patch("torch._subclasses.fake_tensor.init_gpu_context", lambda _device: None)
        yield mock.patch.object(torch.nn.Module, "_apply", _apply)
        yield mock.patch("safetensors.torch.save", self._save)
        yield mock.patch("safetensors.torch.load", lambda data: dict(self._files[data]))

    def _save(self, tensors: dict[str, torch.Tensor], metadata: dict[str, str] | None = None) -> bytes:
        """Return the bytes of a file that has the header of a real one, and tensors that have no bytes."""
        header = json.dumps({"__metadata__": metadata, "number": len(self._files)}).encode()
        data = len(header).to_bytes(8, "little") + header
        self._files[data] = dict(tensors)
        return data


class _NoDriver(FakeTensorMode):
    """Never asks for a driver, whether the machine has a card or not."""

    @property
    def avoid_device_init(self) -> bool:
        return True


class _OnPaper(TorchFunctionMode):
    """Answers what needs a real card, or real content: the kernel of attention, pinned memory, and arrays of numpy."""

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if function is torch.nn.functional.scaled_dot_product_attention and _first(args, kwargs).device.type == "cuda":
            return _attention(*args, **kwargs)
        if function is torch.Tensor.pin_memory and isinstance(args[0], FakeTensor):
            return args[0]  # which would ask the driver for memory
        if function is torch.Tensor.is_pinned and isinstance(args[0], FakeTensor):
            return False
        if function in (torch.Tensor.numpy, torch.Tensor.__array__) and isinstance(args[0], FakeTensor):
            if args[0].device.type != "cpu":
                raise TypeError("can't convert cuda:0 device type tensor to numpy")
            return np.ones(tuple(args[0].shape), _NUMPY[args[0].dtype])
        return function(*args, **kwargs)


def _first(args: Any, kwargs: Any) -> torch.Tensor:
    return args[0] if args else kwargs["query"]


def _attention(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attn_mask: torch.Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> torch.Tensor:
    """Choose the kernel that torch would choose on a card: flash for half precision, else the memory-efficient one.

    Without a card, torch falls back to the formula, which holds the whole matrix: 34.8 GiB instead of 4.5.
    """
    half = query.dtype in (torch.float16, torch.bfloat16)
    if half and attn_mask is None and query.shape[-1] <= FLASH_WIDTH:
        flash = torch.ops.aten._scaled_dot_product_flash_attention
        return flash(query, key, value, dropout_p, is_causal, False, scale=scale)[0]
    if attn_mask is not None:
        attn_mask = attn_mask.to(query.dtype) if attn_mask.dtype == torch.bool else attn_mask
        rows = key.shape[-2]
        if rows % MASK_ROW and attn_mask.shape[-1] == rows:
            attn_mask = torch.nn.functional.pad(attn_mask, (0, -rows % MASK_ROW))[..., :rows]
        attn_mask = attn_mask.expand(*query.shape[:-1], rows)
    efficient = torch.ops.aten._scaled_dot_product_efficient_attention
    return efficient(query, key, value, attn_mask, False, dropout_p, is_causal, scale=scale)[0]


def _apply(module: torch.nn.Module, function: Callable[[torch.Tensor], torch.Tensor], recurse: bool = True) -> Any:
    """Move or convert a module as `Module._apply` does, tensor by tensor.

    torch exchanges the content of a parameter for that of its copy, which it cannot do on paper: there, a new parameter
    takes the place of the old one, in every layer that shares it. The memory is the same.
    """
    if recurse:
        for child in module.children():
            child._apply(function)
    shared = function.__dict__.setdefault("_moved", WeakIdKeyDictionary())  # as long as torch is at this module
    for name, parameter in module._parameters.items():
        if parameter is not None:
            if parameter not in shared:
                with torch.no_grad():
                    moved = function(parameter)
                is_new = moved is not parameter
                shared[parameter] = torch.nn.Parameter(moved, parameter.requires_grad) if is_new else parameter
            module._parameters[name] = shared[parameter]
        del parameter
    for name, buffer in module._buffers.items():
        if buffer is not None:
            module._buffers[name] = function(buffer)
    return module
