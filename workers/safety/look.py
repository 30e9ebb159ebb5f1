"""Looks at a finished clip. Called by name (`settings.SAFETY_LOOK`) in the workers of the queue `cpu`."""

from collections.abc import Mapping
from typing import Any

from PIL import Image

from workers.safety.network import NAME, Network
from workers.safety.sampling import pictures


def look(files: Mapping[str, Any], frames: int, fps: int) -> dict[str, Any]:
    """Return the scores of a clip's poster (second None) and of the chosen frames of its video.

    `files` are stored files by kind ("video", "poster"), each with `open("rb")`. The result has `network`, the name of
    what looked, and `scores`, a list of [second, score].

    Raises:
        ImportError: the network is not installed, or is not the pinned one.
        ValueError: a file cannot be decoded.
        OSError: a file cannot be read.
    """
    network = Network()
    with files["poster"].open("rb") as file:
        try:
            poster = Image.open(file).convert("RGB")
        except OSError as error:  # Pillow's UnidentifiedImageError is one
            raise ValueError(f"The poster cannot be decoded: {error}") from error
    scores: list[list[float | None]] = [[None, *network.scores([poster])]]
    with files["video"].open("rb") as file:
        for second, picture in pictures(file, frames, fps):
            scores.append([round(second, 2), *network.scores([picture])])
    return {"network": NAME, "scores": [[second, round(score or 0.0, 4)] for second, score in scores]}
