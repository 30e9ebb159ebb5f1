"""Pictures of a video file, evenly spread over its length."""

from collections.abc import Iterator
from typing import BinaryIO

import av
from PIL import Image

PER_SECOND = 2
FEWEST, MOST = 4, 48


def chosen(frames: int, fps: int) -> list[int]:
    """Return the indices of the frames to look at: two a second, 4 to 48 in all, with the first and the last one."""
    wanted = min(frames, max(FEWEST, min(MOST, round(PER_SECOND * frames / max(fps, 1)) + 1)))
    if wanted < 2:
        return list(range(wanted))
    return sorted({round(n * (frames - 1) / (wanted - 1)) for n in range(wanted)})


def pictures(file: BinaryIO, frames: int, fps: int) -> Iterator[tuple[float, Image.Image]]:
    """Yield (second, picture) of the chosen frames of a video that has `frames` frames.

    Raises ValueError if the file is no video, or ends before the last one of them: what was not seen may be anything.
    """
    wanted = chosen(frames, fps)
    left = set(wanted)
    try:
        with av.open(file, "r") as container:
            for index, frame in enumerate(container.decode(video=0)):
                if index in left:
                    left.remove(index)
                    yield index / max(fps, 1), frame.to_image()
                if not left:
                    break
    except (av.error.FFmpegError, IndexError) as error:
        raise ValueError(f"The video cannot be decoded: {error}") from error
    if left or not wanted:
        raise ValueError(f"The video has fewer than {frames} frames.")
