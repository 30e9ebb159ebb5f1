"""Graphics cards as the operating system and torch's files show them, without loading torch.

NVIDIA's driver tells more (auravideo/core/metrics/gpus.py); for the others, this is all there is.
"""

import re
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from auravideo.core import operating_system

PCI_DEVICES = Path("/sys/bus/pci/devices")
NVIDIA, AMD, INTEL = "0x10de", "0x1002", "0x8086"
DISPLAY = "0x03"  # the class of display controllers
APPLE_SHARE = 2 / 3  # of the main memory, what Metal recommends for a GPU at least (recommendedMaxWorkingSetSize)


@dataclass(frozen=True)
class Build:
    """What torch was built for: versions such as "13.0", "" for what it was not."""

    cuda: str = ""
    hip: str = ""  # AMD's ROCm
    xpu: str = ""  # Intel


@dataclass(frozen=True)
class Card:
    """A card: its name, and its memory in bytes, all of it and what is free."""

    name: str
    total: int
    free: int


def torch_build() -> Build | None:
    """Return what torch was built for; None without torch."""
    found = find_spec("torch")
    if found is None or found.origin is None:
        return None
    text = (Path(found.origin).parent / "version.py").read_text()
    return Build(
        **{
            name: match[1] if (match := re.search(rf"^{name}\b[^=]*=\s*['\"]([^'\"]+)", text, re.M)) else ""
            for name in ("cuda", "hip", "xpu")
        }
    )


def makers() -> set[str]:
    """Return the makers of the display devices on the PCI bus."""
    return {_text(device / "vendor") for device in _displays()}


def amd() -> list[Card]:
    """Return AMD's cards with memory of their own, in the order of the bus, as Linux's driver reports them."""
    found = []
    for device in sorted(_displays(), key=lambda path: path.name):
        with suppress(ValueError):
            total, used = (int(_text(device / f"mem_info_vram_{kind}")) for kind in ("total", "used"))
            name = _text(device / "product_name") or "AMD graphics card"
            found += [Card(name, total, total - used)] if _text(device / "vendor") == AMD else []
    return found


def other_card(device: str, visible: str | None) -> Card | None:
    """Return the card that torch uses where there is none of NVIDIA's; None if it uses none.

    Intel's and Apple's share the main memory, or Linux does not tell how much they have: AURAVIDEO_WORKER_MEMORY does.

    Args:
        device: AURAVIDEO_DEVICE.
        visible: CUDA_VISIBLE_DEVICES, which ROCm obeys too; None if it is not set.
    """
    build = torch_build() or Build()
    total, free = operating_system.main_memory()
    if device in ("auto", "cuda") and build.hip and (cards := amd()):
        first = "0" if visible is None else visible.split(",")[0].strip()
        return cards[int(first)] if first.isdigit() and int(first) < len(cards) else None
    if device in ("auto", "xpu") and build.xpu and INTEL in makers():
        return Card("Intel graphics card", total, free)
    if device in ("auto", "mps") and operating_system.has_apple_chip() and torch_build() is not None:
        share = int(APPLE_SHARE * total)
        return Card(f"GPU of {operating_system.processor_name() or 'this Mac'}", share, min(share, free))
    return None


def _displays() -> list[Path]:
    return [path for path in PCI_DEVICES.glob("*") if _text(path / "class").startswith(DISPLAY)]


def _text(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""
