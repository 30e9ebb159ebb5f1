"""NVIDIA's driver, as pynvml shows it, on a machine without a card."""

from dataclasses import dataclass
from types import SimpleNamespace

import pynvml

DRIVER = "580.95.05"


@dataclass(frozen=True)
class Card:
    """A card; `busy` in percent, None if the driver does not measure it. A lost one fell off the bus."""

    uuid: str
    used: int
    total: int
    busy: int | None
    is_lost: bool = False
    mode: int = pynvml.NVML_COMPUTEMODE_DEFAULT
    name: str = "NVIDIA Rig"


def install(monkeypatch, cards: list[Card] | None, cuda: int = 13000) -> None:
    """Let pynvml find `cards`; with None, no driver: the real library's error."""

    def init() -> None:
        if cards is None:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_LIBRARY_NOT_FOUND)

    def utilisation(card: Card) -> SimpleNamespace:
        if card.busy is None:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_SUPPORTED)
        return SimpleNamespace(gpu=card.busy, memory=0)

    def memory(card: Card) -> SimpleNamespace:
        if card.is_lost:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_GPU_IS_LOST)
        return SimpleNamespace(used=card.used, free=card.total - card.used, total=card.total)

    def by_index(index: int) -> Card:
        if index >= len(cards or ()):
            raise pynvml.NVMLError(pynvml.NVML_ERROR_INVALID_ARGUMENT)
        return (cards or [])[index]

    def by_uuid(uuid: str) -> Card:
        for card in cards or ():
            if card.uuid == uuid:
                return card
        raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_FOUND)

    found = {
        "nvmlInit": init,
        "nvmlShutdown": lambda: None,
        "nvmlDeviceGetCount": lambda: len(cards or ()),
        "nvmlDeviceGetHandleByIndex": by_index,
        "nvmlDeviceGetMemoryInfo": memory,
        "nvmlDeviceGetUtilizationRates": utilisation,
        "nvmlDeviceGetUUID": lambda card: card.uuid,
        "nvmlDeviceGetName": lambda card: card.name,
        "nvmlDeviceGetComputeMode": lambda card: card.mode,
        "nvmlDeviceGetHandleByUUID": by_uuid,
        "nvmlDeviceGetIndex": lambda card: (cards or []).index(card),
        "nvmlSystemGetDriverVersion": lambda: DRIVER,
        "nvmlSystemGetCudaDriverVersion_v2": lambda: cuda,
    }
    for name, function in found.items():
        assert hasattr(pynvml, name)
        monkeypatch.setattr(pynvml, name, function)
