"""Frame interpolation with a FILM SavedModel (TensorFlow).

The model has the released one's signature: `model({"x0": [B, H, W, 3], "x1": ..., "time": [B, 1]})["image"]`, all
float32, images in 0..1, H and W multiples of 64. The released network ignores `time` and always returns the midpoint;
the engine detects that on load and reaches other times by repeated halving.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from auravideo.core.metrics.declared import OUT_OF_MEMORY
from generation.domain.errors import RenderError
from workers.engines.apart.remote_model import ModelProcessError, RemoteModel, end_alike
from workers.engines.apart.saved_model import GRAPH, UnsafeModelError, require_safe
from workers.engines.base import OnStep
from workers.engines.device_errors import Fault, fault_of, first_line, is_out_of_memory
from workers.engines.tensorflow_device import card_cannot, cards, tensorflow

logger = logging.getLogger(__name__)

ALIGNMENT = 64  # FILM's pyramid halves the frame six times
TOLERANCE = Fraction(1, 32)  # of the interval: maximum error of halving
# Pixels per batch of frame pairs: on the CPU, 64 pairs of 64x64 or one of 512x512. The engine halves the batch if a GPU
# runs out of memory.
HOST_PIXELS, CARD_PIXELS = 2**18, 2**20
PATIENCE = 32  # chunks in smaller batches before larger ones are tried again
PROBE_TIMES = (0.25, 0.75)
PROBE_DIFFERENCE = (
    1e-3  # of the value range: a model that honours time differs far more, one that ignores it not at all
)


@dataclass(frozen=True)
class Node:
    """One network call: the frame at `time` from those at `left` and `right`, passing `model_time` as its time."""

    time: Fraction
    left: Fraction
    right: Fraction
    model_time: Fraction


def direct_nodes(factor: int) -> list[Node]:
    """Return the calls for a model that honours time: one for each of the factor - 1 frames between two."""
    times = [Fraction(step, factor) for step in range(1, factor)]
    return [Node(time, Fraction(0), Fraction(1), time) for time in times]


def halving_nodes(factor: int) -> list[Node]:
    """Return the calls for a midpoint-only model, each after those it depends on.

    Each requested time is rounded to a multiple of 1/2, 1/4, 1/8, ..., with as few halvings as bring it within
    `TOLERANCE`. Times share intermediate midpoints.
    """
    nodes: dict[Fraction, Node] = {}
    for step in range(1, factor):
        target = nearest_dyadic(Fraction(step, factor))
        left, right = Fraction(0), Fraction(1)
        while target not in (left, right):
            middle = (left + right) / 2
            nodes.setdefault(middle, Node(middle, left, right, Fraction(1, 2)))
            left, right = (left, middle) if target <= middle else (middle, right)
    return sorted(nodes.values(), key=lambda node: (node.time.denominator, node.time))


def nearest_dyadic(time: Fraction) -> Fraction:
    """Return the fraction with the smallest power-of-two denominator within `TOLERANCE` of `time` (0 < time < 1)."""
    parts = 2
    while abs(Fraction(round(time * parts), parts) - time) > TOLERANCE:
        parts *= 2
    return Fraction(round(time * parts), parts)


class FilmEngine:
    """FILM, kept warm, in TensorFlow; `film_torch.engine` is the same in torch.

    Args:
        path: the SavedModel's folder.
        device: "auto" (a GPU if TensorFlow sees one), "cpu" or "gpu".
        label: the model's name in errors; by default the folder's name.
        is_apart: keep the network in a process of its own, where no secret is visible.
    """

    library = "TensorFlow"

    def __init__(self, path: Path, device: str = "auto", *, label: str = "", is_apart: bool = False) -> None:
        self.path, self.device, self.label = Path(path), device, label or Path(path).name
        self.is_apart = is_apart
        self.honours_time = False
        self.why_cpu = ""  # what went wrong with the card, if it did
        self._model: Any = None
        self._pixels = HOST_PIXELS
        self._calls = 0  # with fewer pixels than usual

    def load(self) -> None:
        """Load the SavedModel and detect whether it honours time; does nothing if it is loaded.

        Raises:
            RenderError: "model-missing", "model-corrupt" (also if its output is not FILM's), "model-unsafe" (its graph
                could do more than compute), "out-of-memory".
        """
        if self._model is not None:
            return
        if not (self.path / GRAPH).is_file():
            raise RenderError("model-missing", model=self.label, file=self.path.name)
        library = self._import()
        self._find_device(library)
        with self._reading():
            try:
                self._open(library)
            except Exception as error:
                if not self._falls_back(error):
                    raise
                self._open(library)
        knows = "honours time" if self.honours_time else "knows the midpoint only"
        logger.info("%s in %s on %s %s", self.label, self.library, self.device, knows)

    def _import(self) -> Any:
        """Return TensorFlow; None if the network has a process of its own, so that this one need not load it."""
        return None if self.is_apart else tensorflow()

    def _find_device(self, tf: Any) -> None:
        """Settle on a device and prepare it. A network with a process of its own does so itself."""
        if tf is None:
            return
        found = cards(tf) if self.device != "cpu" else []
        if self.device == "auto":
            self.device = "gpu" if found else "cpu"

    def _open(self, library: Any) -> None:
        self._model = self._read(library)
        self._pixels = self._usual_pixels
        self.honours_time = self._find_out_about_time(library)

    def _read(self, tf: Any) -> Any:
        """Return the network, with its weights on the device."""
        if tf is None:
            model = RemoteModel(self.path, self.device, end_alike)
            self.device = model.device
            return model
        require_safe(self.path)
        with self._placed(tf):
            return tf.saved_model.load(str(self.path))

    @property
    def _is_on_card(self) -> bool:
        return self.device == "gpu"

    @property
    def _usual_pixels(self) -> int:
        return CARD_PIXELS if self._is_on_card else HOST_PIXELS

    def _falls_back(self, error: Exception) -> bool:
        """Go on with the CPU if the library cannot use the card. Return whether it is worth trying again."""
        return self._is_on_card and card_cannot(error) and self._leave_card(error)

    def _leave_card(self, error: Exception) -> bool:
        self._drop()
        self.device, self.why_cpu = "cpu", first_line(error)
        logger.warning("%s: %s cannot use the card, going on with the CPU: %s", self.label, self.library, self.why_cpu)
        return True

    def release(self) -> None:
        """Drop the weights. TensorFlow keeps the memory for whatever its process loads next, if that is this one."""
        self._drop()

    def _drop(self) -> None:
        model, self._model = self._model, None
        if isinstance(model, RemoteModel):
            model.close()

    def park(self) -> None:
        """Do nothing: TensorFlow gives memory back only at the end of its process."""

    @property
    def notes(self) -> list[dict[str, str]]:
        """Return how the model runs, if not as usual (generation/domain/worker_notes.py)."""
        return [{"id": "on-cpu", "model": self.label, "why": self.why_cpu}] if self.why_cpu else []

    @property
    def memory_bytes(self) -> int:
        """Return the size of the loaded weights in bytes; 0 while not loaded."""
        if self._model is None:
            return 0
        return sum(file.stat().st_size for file in (self.path / "variables").glob("variables.data-*"))

    def interpolate(self, frames: np.ndarray, factor: int, on_step: OnStep) -> np.ndarray:
        """Insert factor - 1 frames between each two.

        Args:
            frames: uint8 RGB [N, H, W, 3], N at least 2, any H and W.
            factor: at least 1; with 1, the input is returned without its last frame.
            on_step: called with (0, total, None), then after every batch; counts computed frames. May raise.

        Returns:
            uint8 [(N - 1) * factor, H, W, 3]: every factor-th frame is an input frame, unchanged; the last one is left
            out.

        Raises:
            ValueError: fewer than two frames, another dtype or shape, or a factor below 1.
            RenderError: what `load` raises; "out-of-memory" if not even one pair fits.
        """
        _check(frames, factor)
        count, height, width, _ = frames.shape
        result = np.empty(((count - 1) * factor, height, width, 3), np.uint8)
        result[::factor] = frames[:-1]
        if factor == 1:
            return result
        self.load()
        self._grow()
        nodes = direct_nodes(factor) if self.honours_time else halving_nodes(factor)
        nearest = (lambda time: time) if self.honours_time else nearest_dyadic
        progress = _Progress(on_step, (count - 1) * len(nodes))
        padded = pad(frames, ALIGNMENT)
        group = max(1, self._pixels // (padded.shape[1] * padded.shape[2]))
        for start in range(0, count - 1, group):
            pairs = padded[start : start + group + 1].astype(np.float32) / 255.0
            known = {Fraction(0): pairs[:-1], Fraction(1): pairs[1:]}
            for node in nodes:
                known[node.time] = self._between(known[node.left], known[node.right], node.model_time, progress)
            here = result[start * factor : (start + len(pairs) - 1) * factor]
            for step in range(1, factor):
                here[step::factor] = to_bytes(crop(known[nearest(Fraction(step, factor))], height, width))
        return result

    def _grow(self) -> None:
        """After a while, try larger batches again: what took the memory may be gone."""
        if self._pixels < self._usual_pixels:
            self._calls += 1
            if self._calls > PATIENCE:
                self._pixels, self._calls = self._usual_pixels, 0

    def _between(self, x0: np.ndarray, x1: np.ndarray, time: Fraction, progress: "_Progress") -> np.ndarray:
        """Return the frames at `time` of some pairs, float32 [B, H, W, 3], halving the batch until it fits."""
        library = self._import()
        pieces, start = [], 0
        while start < len(x0):
            batch = max(1, self._pixels // (x0.shape[1] * x0.shape[2]))
            stop = min(len(x0), start + batch)
            try:
                pieces.append(self._call(library, x0[start:stop], x1[start:stop], [float(time)] * (stop - start)))
            except Exception as error:
                if self._falls_back(error):
                    self.load()
                    continue
                if isinstance(error, ModelProcessError):
                    self._drop()  # the next stage starts another
                if not is_out_of_memory(error):
                    raise
                OUT_OF_MEMORY.labels(engine="interpolation").inc()
                if stop - start == 1:
                    raise RenderError("out-of-memory", model=self.label) from error
                self._pixels = (stop - start) // 2 * x0.shape[1] * x0.shape[2]
                logger.warning("%s: out of memory with %d pairs at once, trying half", self.label, stop - start)
                continue
            progress.add(stop - start)
            start = stop
        return np.concatenate(pieces)

    def _call(self, tf: Any, x0: np.ndarray, x1: np.ndarray, times: list[float]) -> np.ndarray:
        """Call the network: float32 [B, H, W, 3] twice and B times to float32 [B, H, W, 3]."""
        if isinstance(self._model, RemoteModel):
            return self._model(x0, x1, times)
        with self._placed(tf):
            inputs = {
                "x0": tf.constant(x0),
                "x1": tf.constant(x1),
                "time": tf.constant(times, tf.float32, [len(x0), 1]),
            }
            return self._model(inputs)["image"].numpy()

    def _find_out_about_time(self, library: Any) -> bool:
        """Return whether two times give different results for a disc moving across a gradient.

        Raises:
            ValueError: the output has the wrong shape or is not finite.
        """
        x, y = np.meshgrid(np.arange(64, dtype=np.float32), np.arange(64, dtype=np.float32))
        frames = [np.clip(12 - np.hypot(x - centre, y - 32), 0, 1) * 0.6 + x / 256 for centre in (28, 36)]
        x0, x1 = (np.repeat(np.repeat(frame[None, ..., None], 3, axis=3), 2, axis=0) for frame in frames)
        answer = self._call(library, x0, x1, list(PROBE_TIMES))
        if answer.shape != x0.shape or not np.isfinite(answer).all():
            raise ValueError(f"the model answers {answer.shape} to {x0.shape}")
        return bool(np.abs(answer[0] - answer[1]).max() > PROBE_DIFFERENCE)

    @contextmanager
    def _reading(self) -> Iterator[None]:
        """Translate any error from loading or probing a bad SavedModel into the errors that `load` promises.

        A card that fails is not the model's fault, nor are a library and a process: their errors pass through.
        """
        try:
            yield
        except UnsafeModelError as error:
            self._drop()
            logger.error("%s: %s is not loaded: %s", self.label, self.path, error)
            raise RenderError("model-unsafe", model=self.label, file=GRAPH, problem=error) from error
        except (ImportError, ModelProcessError):
            self._drop()
            raise
        except Exception as error:  # a damaged graph can raise any Python or TensorFlow error
            self._drop()
            fault = fault_of(error)
            if fault is Fault.OUT_OF_MEMORY:
                OUT_OF_MEMORY.labels(engine="interpolation").inc()
                raise RenderError("out-of-memory", model=self.label) from error
            if fault is not None:
                raise
            logger.exception("%s: %s cannot be loaded", self.label, self.path)
            raise RenderError("model-corrupt", model=self.label, file=self.path.name) from error

    def _placed(self, tf: Any) -> Any:
        return tf.device("/GPU:0" if self.device == "gpu" else "/CPU:0")


class _Progress:
    """Counts computed frames and reports them to `on_step`, which may raise."""

    def __init__(self, on_step: OnStep, total: int) -> None:
        self.on_step, self.total, self.done = on_step, total, 0
        self.add(0)

    def add(self, frames: int) -> None:
        self.done += frames
        self.on_step(self.done, self.total, None)


def pad(frames: np.ndarray, alignment: int) -> np.ndarray:
    """Pad [N, H, W, 3] evenly by repeating its edges until both sides are multiples of `alignment`."""
    margins = [(extra // 2, extra - extra // 2) for extra in (-side % alignment for side in frames.shape[1:3])]
    return np.pad(frames, [(0, 0), *margins, (0, 0)], mode="edge")


def crop(frames: np.ndarray, height: int, width: int) -> np.ndarray:
    """Undo `pad`."""
    top, left = (frames.shape[1] - height) // 2, (frames.shape[2] - width) // 2
    return frames[:, top : top + height, left : left + width]


def to_bytes(frames: np.ndarray) -> np.ndarray:
    """Convert floats in 0..1 to uint8, rounding to nearest."""
    return np.rint(np.clip(frames, 0.0, 1.0) * 255.0).astype(np.uint8)


def _check(frames: np.ndarray, factor: int) -> None:
    if frames.dtype != np.uint8 or frames.ndim != 4 or frames.shape[3] != 3 or 0 in frames.shape:
        raise ValueError(f"frames must be uint8 [N, H, W, 3], not {frames.dtype} {frames.shape}")
    if len(frames) < 2:
        raise ValueError("it takes two frames to have something between them")
    if factor < 1:
        raise ValueError(f"factor must be at least 1, not {factor}")
