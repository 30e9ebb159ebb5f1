"""Input validation for all writers."""

from collections.abc import Iterable, Iterator

import numpy as np


def checked(frames: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
    """Yield contiguous frames one by one. Raise ValueError for a bad dtype or shape, mixed sizes, or no frames."""
    shape = None
    for frame in frames:
        frame = np.asarray(frame)
        if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != 3 or 0 in frame.shape:
            raise ValueError(f"A frame must be uint8 [height, width, 3], not {frame.dtype} {list(frame.shape)}.")
        if shape is None:
            shape = frame.shape
        elif frame.shape != shape:
            raise ValueError(f"All frames must have one size: {frame.shape[:2]} came after {shape[:2]}.")
        yield np.ascontiguousarray(frame)
    if shape is None:
        raise ValueError("A clip needs at least one frame.")


def checked_clip(frames: np.ndarray) -> np.ndarray:
    """Return `frames` as an array. Raise ValueError unless it is uint8 `[F, H, W, 3]` and not empty."""
    frames = np.asarray(frames)
    if frames.dtype != np.uint8 or frames.ndim != 4 or frames.shape[3] != 3 or 0 in frames.shape:
        raise ValueError(f"A clip must be uint8 [frames, height, width, 3], not {frames.dtype} {list(frames.shape)}.")
    return frames
