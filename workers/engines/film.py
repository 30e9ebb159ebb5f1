"""Frame interpolation with a FILM SavedModel (TensorFlow).

The model is called as the released one is: `model({"x0": [B, H, W, 3], "x1": ..., "time": [B, 1]})["image"]`, all of it
float32, pictures in 0..1, H and W multiples of 64. The released network ignores `time` and always answers with the
midpoint: the engine finds that out when it loads, and then reaches other times by halving.
"""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from generation.domain.errors import RenderError
from workers.engines.base import OnStep

logger = logging.getLogger(__name__)

ALIGNMENT = 64  # FILM's pyramid halves the frame six times
TOLERANCE = Fraction(1, 32)  # of the interval: how near halving must come to the time asked for
# How many pixels of frame pairs go through the network at once: on the processor 64 pairs of 64x64, or one of 512x512.
# A card that cannot take as many is found out by trying.
HOST_PIXELS, CARD_PIXELS = 2**18, 2**20
PROBE_TIMES = (0.25, 0.75)
PROBE_DIFFERENCE = (
    1e-3  # of the value range: a model that honours time differs far more, one that ignores it not at all
)


@dataclass(frozen=True)
class Node:
    """One call of the network: the frame at `time` from those at `left` and `right`, with `model_time` as its time."""

    time: Fraction
    left: Fraction
    right: Fraction
    model_time: Fraction


def direct_nodes(factor: int) -> list[Node]:
    """The calls for a model that honours time: one for each of the factor - 1 frames between two."""
    times = [Fraction(step, factor) for step in range(1, factor)]
    return [Node(time, Fraction(0), Fraction(1), time) for time in times]


def halving_nodes(factor: int) -> list[Node]:
    """The calls for a model that only knows the midpoint, each after those it builds on.

    Every time asked for is replaced by the nearest multiple of 1/2, 1/4, 1/8, ..., with as few halvings as bring it
    within `TOLERANCE`. Times share the midpoints on their ways.
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
    """The fraction with the smallest power of two beneath it that lies within `TOLERANCE` of `time` (0 < time < 1)."""
    parts = 2
    while abs(Fraction(round(time * parts), parts) - time) > TOLERANCE:
        parts *= 2
    return Fraction(round(time * parts), parts)


class FilmEngine:
    """FILM, kept warm.

    Args:
        path: the folder of the SavedModel.
        device: "auto" (a graphics card if TensorFlow sees one), "cpu" or "gpu".
        label: what errors call the model; the folder's name by default.
    """

    def __init__(self, path: Path, device: str = "auto", *, label: str = "") -> None:
        self.path, self.device, self.label = Path(path), device, label or Path(path).name
        self.honours_time = False
        self._model: Any = None
        self._pixels = HOST_PIXELS

    def load(self) -> None:
        """Read the SavedModel and find out whether it honours time. Calling it again does nothing.

        Raises:
            RenderError: "model-missing", "model-corrupt" (also when it does not answer as FILM does), "out-of-memory".
        """
        if self._model is not None:
            return
        if not (self.path / "saved_model.pb").is_file():
            raise RenderError("model-missing", model=self.label, file=self.path.name)
        tf = _tensorflow()
        cards = _cards(tf) if self.device != "cpu" else []
        if self.device == "auto":
            self.device = "gpu" if cards else "cpu"
        self._pixels = CARD_PIXELS if self.device == "gpu" else HOST_PIXELS
        with self._reading(tf):
            with self._placed(tf):
                self._model = tf.saved_model.load(str(self.path))
            self.honours_time = self._find_out_about_time(tf)
        logger.info(
            "%s on %s %s", self.label, self.device, "honours time" if self.honours_time else "knows the midpoint only"
        )

    def release(self) -> None:
        """Forget the weights. TensorFlow keeps the memory for what this process loads next."""
        self._model = None

    @property
    def memory_bytes(self) -> int:
        """Bytes of the weights while loaded, else 0."""
        if self._model is None:
            return 0
        return sum(file.stat().st_size for file in (self.path / "variables").glob("variables.data-*"))

    def interpolate(self, frames: np.ndarray, factor: int, on_step: OnStep) -> np.ndarray:
        """Fill in factor - 1 frames between each two.

        Args:
            frames: uint8 RGB [N, H, W, 3], N at least 2, any H and W.
            factor: at least 1; with 1 the frames come back without the last.
            on_step: called with (0, total, None), then after every batch; counts computed frames. May raise.

        Returns:
            uint8 [(N - 1) * factor, H, W, 3]: the frames given, unchanged, at every factor-th place, without the last.

        Raises:
            ValueError: fewer than two frames, another dtype or shape, or a factor below 1.
            RenderError: what `load` raises; "out-of-memory" when not even one pair fits.
        """
        _check(frames, factor)
        count, height, width, _ = frames.shape
        result = np.empty(((count - 1) * factor, height, width, 3), np.uint8)
        result[::factor] = frames[:-1]
        if factor == 1:
            return result
        self.load()
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

    def _between(self, x0: np.ndarray, x1: np.ndarray, time: Fraction, progress: "_Progress") -> np.ndarray:
        """The frames at `time` of some pairs, float32 [B, H, W, 3], in batches that are halved until they fit."""
        tf = _tensorflow()
        pieces, start = [], 0
        while start < len(x0):
            batch = max(1, self._pixels // (x0.shape[1] * x0.shape[2]))
            stop = min(len(x0), start + batch)
            try:
                pieces.append(self._call(tf, x0[start:stop], x1[start:stop], [float(time)] * (stop - start)))
            except tf.errors.ResourceExhaustedError as error:
                if stop - start == 1:
                    raise RenderError("out-of-memory", model=self.label) from error
                self._pixels = (stop - start) // 2 * x0.shape[1] * x0.shape[2]
                logger.warning("%s: no memory for %d pairs at once, trying half", self.label, stop - start)
                continue
            progress.add(stop - start)
            start = stop
        return np.concatenate(pieces)

    def _call(self, tf: Any, x0: np.ndarray, x1: np.ndarray, times: list[float]) -> np.ndarray:
        """One call of the network: float32 [B, H, W, 3] twice and B times to float32 [B, H, W, 3]."""
        with self._placed(tf):
            inputs = {
                "x0": tf.constant(x0),
                "x1": tf.constant(x1),
                "time": tf.constant(times, tf.float32, [len(x0), 1]),
            }
            return self._model(inputs)["image"].numpy()

    def _find_out_about_time(self, tf: Any) -> bool:
        """Whether two times give two answers for a disc that moves across a slope.

        Raises:
            ValueError: the answer has another shape than FILM's, or is no number.
        """
        x, y = np.meshgrid(np.arange(64, dtype=np.float32), np.arange(64, dtype=np.float32))
        frames = [np.clip(12 - np.hypot(x - centre, y - 32), 0, 1) * 0.6 + x / 256 for centre in (28, 36)]
        x0, x1 = (np.repeat(np.repeat(frame[None, ..., None], 3, axis=3), 2, axis=0) for frame in frames)
        answer = self._call(tf, x0, x1, list(PROBE_TIMES))
        if answer.shape != x0.shape or not np.isfinite(answer).all():
            raise ValueError(f"the model answers {answer.shape} to {x0.shape}")
        return bool(np.abs(answer[0] - answer[1]).max() > PROBE_DIFFERENCE)

    @contextmanager
    def _reading(self, tf: Any) -> Iterator[None]:
        """Turn whatever reading and trying out a bad SavedModel raises into the errors that `load` promises."""
        try:
            yield
        except tf.errors.ResourceExhaustedError as error:
            self._model = None
            raise RenderError("out-of-memory", model=self.label) from error
        except Exception as error:  # a damaged graph can fail in any way that Python and TensorFlow know
            self._model = None
            logger.exception("%s: %s cannot be loaded", self.label, self.path)
            raise RenderError("model-corrupt", model=self.label, file=self.path.name) from error

    def _placed(self, tf: Any) -> Any:
        return tf.device("/GPU:0" if self.device == "gpu" else "/CPU:0")


class _Progress:
    """Counts computed frames and tells `on_step`, which may raise."""

    def __init__(self, on_step: OnStep, total: int) -> None:
        self.on_step, self.total, self.done = on_step, total, 0
        self.add(0)

    def add(self, frames: int) -> None:
        self.done += frames
        self.on_step(self.done, self.total, None)


def pad(frames: np.ndarray, alignment: int) -> np.ndarray:
    """Repeat the edges of [N, H, W, 3] until both sides are multiples of `alignment`, alike on opposite sides."""
    margins = [(extra // 2, extra - extra // 2) for extra in (-side % alignment for side in frames.shape[1:3])]
    return np.pad(frames, [(0, 0), *margins, (0, 0)], mode="edge")


def crop(frames: np.ndarray, height: int, width: int) -> np.ndarray:
    """Undo `pad`."""
    top, left = (frames.shape[1] - height) // 2, (frames.shape[2] - width) // 2
    return frames[:, top : top + height, left : left + width]


def to_bytes(frames: np.ndarray) -> np.ndarray:
    """Float values in 0..1 to the nearest of 0..255, uint8."""
    return np.rint(np.clip(frames, 0.0, 1.0) * 255.0).astype(np.uint8)


def _check(frames: np.ndarray, factor: int) -> None:
    if frames.dtype != np.uint8 or frames.ndim != 4 or frames.shape[3] != 3 or 0 in frames.shape:
        raise ValueError(f"frames must be uint8 [N, H, W, 3], not {frames.dtype} {frames.shape}")
    if len(frames) < 2:
        raise ValueError("it takes two frames to have something between them")
    if factor < 1:
        raise ValueError(f"factor must be at least 1, not {factor}")


def _tensorflow() -> Any:
    """TensorFlow, imported when first needed: it takes seconds, and no web process may load it."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    import tensorflow as tf

    return tf


def _cards(tf: Any) -> list[Any]:
    """The graphics cards TensorFlow sees, told to take memory as needed and to give the same bits every time."""
    cards = tf.config.list_physical_devices("GPU")
    try:
        for card in cards:
            tf.config.experimental.set_memory_growth(card, True)
        if cards:
            tf.config.experimental.enable_op_determinism()
    except RuntimeError:  # the cards are in use already: whoever came first has settled this
        logger.debug("TensorFlow was set up before")
    return cards
