"""Resizing from the upscaler's output size to the requested size."""

import numpy as np
from PIL import Image

from workers.media.arrays import checked_clip


def resize_and_crop(frames: np.ndarray, width: int, height: int) -> np.ndarray:
    """Scale a clip to cover `width` x `height` and crop the excess evenly on both sides.

    Args:
        frames: uint8 `[F, H, W, 3]`.
        width, height: exact size of the result, in pixels.

    Returns:
        uint8 `[F, height, width, 3]`; `frames` itself if it already has that size. Pure crops keep their pixels; any
            scaling uses Lanczos, which antialiases when shrinking.
    """
    frames = checked_clip(frames)
    if width < 1 or height < 1:
        raise ValueError(f"A size of {width}x{height} is not possible.")
    present_height, present_width = frames.shape[1:3]
    if (present_width, present_height) == (width, height):
        return frames
    scale = max(width / present_width, height / present_height)
    if scale == 1:
        top, left = (present_height - height) // 2, (present_width - width) // 2
        return frames[:, top : top + height, left : left + width].copy()
    left = max(0.0, (present_width - width / scale) / 2)
    top = max(0.0, (present_height - height / scale) / 2)
    box = (left, top, present_width - left, present_height - top)
    result = np.empty((len(frames), height, width, 3), dtype=np.uint8)
    for index, frame in enumerate(frames):
        picture = Image.fromarray(frame).resize((width, height), Image.Resampling.LANCZOS, box=box)
        result[index] = np.asarray(picture)
    return result
