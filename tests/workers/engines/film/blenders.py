"""Small SavedModels with FILM's signature that blend frames, and what they should answer."""

from pathlib import Path

import numpy as np

from workers.engines.film import FilmEngine


def nothing(done, total, preview):
    pass


def save_blender(folder: Path, *, honours_time: bool, answer: str = "image") -> Path:
    """Write a SavedModel with FILM's signature that blends frames, equally or by time; rejects sizes FILM rejects."""
    import tensorflow as tf

    from tests.film.signature import SIGNATURE

    class Blender(tf.Module):
        def __init__(self):
            super().__init__()
            self.half = tf.Variable(0.5)

        @tf.function(autograph=False, input_signature=SIGNATURE)
        def __call__(self, inputs):
            tf.debugging.assert_equal(tf.shape(inputs["x0"])[1:3] % 64, [0, 0])
            tf.debugging.assert_equal(tf.shape(inputs["x0"])[0], tf.shape(inputs["time"])[0])
            time = inputs["time"][:, :, None, None]
            weight = time if honours_time else tf.ones_like(time) * self.half
            return {answer: inputs["x0"] * (1 - weight) + inputs["x1"] * weight}

    tf.saved_model.save(Blender(), str(folder))
    return folder


def batch_sizes(engine: FilmEngine, monkeypatch) -> list[int]:
    """Record how many pairs each network call gets from now on; calls pass through."""
    sizes, call = [], engine._call

    def counted(tf, x0, x1, times):
        sizes.append(len(x0))
        return call(tf, x0, x1, times)

    monkeypatch.setattr(engine, "_call", counted)
    return sizes


def blended(frames: np.ndarray, factor: int) -> np.ndarray:
    """Return a linear blend before rounding: float64."""
    first, second = frames[:-1].astype(np.float64), frames[1:].astype(np.float64)
    steps = [(first * (factor - step) + second * step) / factor for step in range(factor)]
    return np.stack(steps, axis=1).reshape(-1, *frames.shape[1:])
