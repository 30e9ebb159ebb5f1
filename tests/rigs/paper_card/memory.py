"""Counts the storages that are alive on a device, and what runs there."""

import operator
import weakref
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry

GIB = 2**30
BLOCK = 512  # bytes: torch's allocator for cards rounds every allocation up to a multiple of it
# Operators without a kernel: they return a view, or memory that nobody has written yet.
_FREE = frozenset(
    "alias as_strided chunk detach empty empty_strided expand lift_fresh narrow permute select slice split "  # noqa: SIM905
    "split_with_sizes squeeze t transpose unbind unfold unsqueeze view _unsafe_view _reshape_alias".split()
)

# Kernels that refuse arguments of different dtypes, which torch's descriptions of them without content do not check.
_STRICT = frozenset(("mm", "addmm", "bmm", "baddbmm", "convolution"))
_COMPARISONS = {name: getattr(operator, name) for name in ("lt", "le", "gt", "ge", "eq", "ne")}


@dataclass(frozen=True)
class Kernel:
    """One kernel: its floating point operations, the bytes that it reads and writes, and the dtype of its result."""

    operations: int
    bytes: int
    dtype: torch.dtype


class Memory(TorchDispatchMode):
    """A count of the bytes `now` on a device and of the most there were, as `torch.cuda.max_memory_allocated` does it.

    `kernels` lists what ran there, `moved` counts the bytes that crossed the bus, `refused` the errors.

    Args:
        budget: bytes that the device has; None for no limit. What would exceed it raises torch's own error instead.
        device: the type of the device.
    """

    def __init__(self, budget: int | None = None, device: str = "cuda") -> None:
        super().__init__()
        self.budget, self.device = budget, device
        self.kernels: list[Kernel] = []
        self.now = self.peak = self.moved = self.refused = 0
        self._sizes: dict[int, int] = {}

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        name = function.overloadpacket.__name__
        if name in ("_local_scalar_dense", "equal"):
            return _answer(function, args, kwargs)
        if function.namespace != "prim" and torch.is_inference_mode_enabled():
            with self:  # which hands operators over whole: what they allocate inside would not be seen
                whole = function.decompose(*args, **kwargs)
            if whole is not NotImplemented:
                return whole
        if name in _STRICT:
            _check_dtypes(name, args)
        result = _result(function, name, args, kwargs)
        if name in ("bitwise_not", "logical_not"):
            result.answer = not getattr(args[0], "answer", True)
        if name in _COMPARISONS and isinstance(args[1], int | float):
            result.answer = _COMPARISONS[name](1, args[1])
        outputs = self._on_card(result)
        for tensor in outputs:
            self._note(tensor)
        if not self._is_move(name, args, outputs) and outputs and name not in _FREE:
            counted = flop_registry.get(function.overloadpacket)
            operations = int(counted(*args, **kwargs, out_val=result)) if counted else 0
            size = sum(tensor.nbytes for tensor in (*self._on_card((args, kwargs)), *outputs))
            self.kernels.append(Kernel(operations, size, outputs[0].dtype))
        return result

    def _on_card(self, values: Any) -> list[torch.Tensor]:
        leaves = (leaf for leaf in tree_leaves(values) if isinstance(leaf, torch.Tensor))
        return [tensor for tensor in leaves if tensor.device.type == self.device]

    def _note(self, tensor: torch.Tensor) -> None:
        storage = tensor.untyped_storage()
        key = storage._cdata
        if key in self._sizes:
            return
        size = -(-storage.nbytes() // BLOCK) * BLOCK
        if self.budget is not None and self.now + size > self.budget:
            self.refused += 1
            raise torch.OutOfMemoryError(
                f"CUDA out of memory. Tried to allocate {size / 2**20:.2f} MiB. GPU 0 has a total capacity of "
                f"{self.budget / GIB:.2f} GiB of which {(self.budget - self.now) / GIB:.2f} GiB is free."
            )
        self._sizes[key] = size
        self.now += size
        self.peak = max(self.peak, self.now)
        weakref.finalize(storage, self._gone, key)

    def _gone(self, key: int) -> None:
        self.now -= self._sizes.pop(key, 0)

    def _is_move(self, name: str, args: Any, outputs: list[torch.Tensor]) -> bool:
        """Return whether an operator copies between main memory and the card, and count the bytes."""
        if name not in ("_to_copy", "copy_"):
            return False
        source = args[-1] if name == "_to_copy" else args[1]
        if (source.device.type == self.device) == bool(outputs):
            return False
        self.moved += source.nbytes
        return True


def _check_dtypes(name: str, args: Any) -> None:
    found = {tensor.dtype for tensor in tree_leaves(args) if isinstance(tensor, torch.Tensor)}
    if len(found) > 1:
        raise RuntimeError(f"{name}: expected tensors of the same dtype, not {', '.join(sorted(map(str, found)))}")


def _result(function: Any, name: str, args: Any, kwargs: Any) -> Any:
    """Return what an operator returns; where it picks by a mask, all numbers, or none by the opposite of a mask."""
    from torch._subclasses.fake_tensor import DynamicOutputShapeException

    try:
        return function(*args, **kwargs)
    except DynamicOutputShapeException:
        values, (mask, *others) = args[0], args[1] if name == "index" else (None,)
        if mask is None or mask.dtype != torch.bool or others:
            raise
        count = mask.numel() if getattr(mask, "answer", True) else 0
        return values.new_empty((count, *values.shape[mask.dim() :]))


def _answer(function: Any, args: Any, kwargs: Any) -> Any:
    """Return the answer to an operator that reads a tensor's content.

    On paper there is no content: every number is 1, comparisons go by that, and every other question is answered by
    yes (all frames are finite).
    """
    from torch._subclasses.fake_tensor import DataDependentOutputException

    try:
        return function(*args, **kwargs)
    except DataDependentOutputException:
        dtype = args[0].dtype
        if hasattr(args[0], "answer"):
            return args[0].answer
        return True if dtype == torch.bool or len(args) > 1 else 1.0 if dtype.is_floating_point else 1
