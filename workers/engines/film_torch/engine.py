"""Frame interpolation with FILM's weights in torch, on any device of torch's.

The network computes in float32 throughout, like the SavedModel that it stands in for: on a card, torch would otherwise
round the inputs of convolutions to TF32's ten bits. Both agree to within a level of brightness here and there, not bit
for bit (docs/models.md).
"""

import logging
from pathlib import Path
from typing import Any

import numpy as np

from workers.engines import devices
from workers.engines.film import FilmEngine
from workers.engines.film_torch.layouts import layout_of
from workers.engines.memory import free_memory

logger = logging.getLogger(__name__)


class TorchFilmEngine(FilmEngine):
    """FILM in torch, kept warm; see `FilmEngine` for what it does.

    Args:
        path: the SavedModel's folder, whose layout must be one of `layouts`.
        device: "auto", "cpu", "cuda" or another torch device.
        label: the model's name in errors; by default the folder's name.
    """

    library = "torch"

    def __init__(self, path: Path, device: str = "auto", *, label: str = "") -> None:
        super().__init__(path, device, label=label)

    def release(self) -> None:
        """Free the memory. The engine can be loaded again."""
        self._model = None
        free_memory()

    def park(self) -> None:
        """Free the memory: the weights are quick to read again."""
        self.release()

    @property
    def memory_bytes(self) -> int:
        """Return the size of the loaded weights in bytes; 0 while not loaded."""
        return 0 if self._model is None else self._model.nbytes

    def _import(self) -> Any:
        import torch

        return torch

    def _find_device(self, torch: Any) -> None:
        self.device = devices.choose(self.device)

    @property
    def _is_on_card(self) -> bool:
        return self.device != "cpu"

    def _read(self, torch: Any) -> Any:
        layout = layout_of(self.path)
        if layout is None:
            raise ValueError("these are not the weights of a network that runs in torch")
        return layout.network(self.device)

    def _falls_back(self, error: Exception) -> bool:
        """Go on with the CPU if the device cannot do it, or torch has not been taught how."""
        return super()._falls_back(error) or (
            isinstance(error, NotImplementedError) and self._is_on_card and self._leave_card(error)
        )

    def _call(self, torch: Any, x0: np.ndarray, x1: np.ndarray, times: list[float]) -> np.ndarray:
        """Call the network: float32 [B, H, W, 3] twice and B times to float32 [B, H, W, 3]."""
        exactly = torch.backends.cudnn.flags(enabled=True, deterministic=True, allow_tf32=False)
        with torch.inference_mode(), exactly:
            first, second = (torch.from_numpy(x).to(self.device).permute(0, 3, 1, 2) for x in (x0, x1))
            image = self._model(first, second, torch.tensor(times, dtype=torch.float32, device=self.device))
            return np.ascontiguousarray(image.permute(0, 2, 3, 1).cpu().numpy())
