"""The one place that chooses torch's device, and that knows what differs between NVIDIA, AMD, Intel, Apple and the CPU.

A device is written as torch writes it: `cuda` (NVIDIA, and AMD by ROCm, which torch calls by the same name), `xpu`
(Intel), `mps` (Apple), `cpu`. Random numbers are always drawn on the CPU, so the same seed gives the same noise on all.
"""

import sys
from typing import Any

from auravideo.core.machine import operating_system

AUTO, CPU = "auto", "cpu"
CUDA, XPU, MPS = CARDS = ("cuda", "xpu", "mps")  # in the order in which they are preferred
FLOAT16, BFLOAT16, FLOAT32 = "float16", "bfloat16", "float32"
BFLOAT16_CAPABILITY = (8, 0)  # Ampere; before, it is emulated
# Tensor cores came with compute capability 7.0 (Volta); before, float16 is no faster, or much slower (Pascal).
HALF_CAPABILITY = (7, 0)

_usual = AUTO


def use(device: str) -> None:
    """Set what "auto" means in this process: a device, or "auto" for the first card that is there."""
    global _usual
    _usual = device


def choose(device: str = AUTO) -> str:
    """Return the torch device to use: for "auto", what `use` set, or the first card that torch can use, or the CPU."""
    if device == AUTO:
        device = _usual
    return device if device != AUTO else next((card for card in CARDS if is_there(card)), CPU)


def kind(device: str) -> str:
    """Return the device without its number: "cuda" for "cuda:1"."""
    return str(device).partition(":")[0]


def is_card(device: str) -> bool:
    """Return whether a device is a graphics card, of whatever maker."""
    return kind(device) in CARDS


def is_there(card: str) -> bool:
    """Return whether torch was built for a kind of card, and finds one."""
    import torch

    return bool(torch.backends.mps.is_available() if card == MPS else getattr(torch, card).is_available())


def is_rocm() -> bool:
    """Return whether torch's `cuda` is AMD's ROCm."""
    import torch

    return torch.version.hip is not None


def name(device: str) -> str:
    """Return the name of the card behind a device, such as "NVIDIA GeForce GTX 1660"; else the device itself."""
    if kind(device) in (CUDA, XPU):
        return str(_backend(device).get_device_name(device))
    return operating_system.processor_name() or device if kind(device) == MPS else device


def usual_precision(device: str) -> str:
    """Return the precision in which diffusion runs on a device, unless it was found to go wrong there.

    Intel's cards compute bfloat16 as fast as float16, without its overflows. Apple's know bfloat16 from macOS 14 on,
    and emulate it on M1, so they use float16.
    """
    if kind(device) == XPU:
        return BFLOAT16 if _backend(device).is_bf16_supported() else FLOAT16
    return FLOAT16 if is_card(device) else FLOAT32


def wider(precision: str, device: str) -> str | None:
    """Return the precision to try where `precision` went wrong; None after the last."""
    if precision == FLOAT32:
        return None
    if precision == BFLOAT16 or kind(device) != CUDA:
        return FLOAT32
    if is_rocm():  # its compute capability says nothing about bfloat16
        return BFLOAT16 if _backend(device).is_bf16_supported() else FLOAT32
    return BFLOAT16 if _backend(device).get_device_capability(device) >= BFLOAT16_CAPABILITY else FLOAT32


def half_gains(device: str) -> bool:
    """Return whether convolutions are faster in float16 than in float32."""
    if kind(device) == CUDA and not is_rocm():
        return bool(_backend(device).get_device_capability(device) >= HALF_CAPABILITY)
    return is_card(device)


def convolution_layout(device: str) -> Any:
    """Return the memory format in which convolutions are fastest. Metal has computed wrongly in the other one."""
    import torch

    return torch.contiguous_format if kind(device) == MPS else torch.channels_last


def room(device: str) -> int | None:
    """Return the bytes of a card that this process may fill: what is free, and what torch holds here already.

    None if `device` is no card, or torch cannot tell, as with some of Intel's.
    """
    if kind(device) == MPS:
        held = _backend(device).driver_allocated_memory()
        return int(min(_backend(device).recommended_max_memory(), operating_system.main_memory()[1] + held))
    if not is_card(device):
        return None
    try:
        return int(_backend(device).mem_get_info(device)[0] + _backend(device).memory_reserved(device))
    except (RuntimeError, NotImplementedError):
        if kind(device) == CUDA:
            raise
        return None


def free(device: str) -> int:
    """Return the bytes that torch can still use on a device: what is free, and what it keeps but holds nothing in."""
    there = room(device)
    if there is None:
        return total(device) - _held(device) if is_card(device) else operating_system.main_memory()[1]
    return max(0, there - _held(device))


def total(device: str) -> int:
    """Return the memory of a device in bytes."""
    if kind(device) == MPS:
        return int(_backend(device).recommended_max_memory())
    if is_card(device):
        return int(_backend(device).get_device_properties(device).total_memory)
    return operating_system.total_memory()


def empty_cache() -> None:
    """Give back to the cards' other users what torch keeps for later and holds nothing in. Does not import torch."""
    if "torch" not in sys.modules:
        return
    for card in CARDS:
        if is_there(card):
            _backend(card).empty_cache()


def reset_peak(device: str) -> None:
    """Start over with the measurement that `peak` returns. Metal has none."""
    if kind(device) in (CUDA, XPU):
        _backend(device).reset_peak_memory_stats()


def peak(device: str) -> int | None:
    """Return the most bytes that torch has held on a card; None if it does not say."""
    return int(_backend(device).max_memory_allocated()) if kind(device) in (CUDA, XPU) else None


def _held(device: str) -> int:
    """Return the bytes of a card that tensors take."""
    backend = _backend(device)
    return int(backend.current_allocated_memory() if kind(device) == MPS else backend.memory_allocated(device))


def _backend(device: str) -> Any:
    """Return torch's module for a kind of card."""
    import torch

    return getattr(torch, kind(device))
