"""What a GGUF file says about itself, read without its weights and without a library that would map them.

A file begins with b"GGUF", its version, two counts, named values, then name, shape, type and place of every weight; the
weights follow. Everything is bounded before it is read: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md.
"""

import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import BinaryIO

SUFFIX = ".gguf"
MOST_HEADER = 4 * 2**20  # bytes; that of Wan with 14 billion weights has 0.1 MB
MOST_WEIGHTS = 20_000
MOST_VALUES = 1_000
MOST_ITEMS = 10_000  # of all lists; language models have words by the hundred thousand, and stop before that
LONGEST_NAME = 300
MOST_DIMENSIONS = 8
MOST_ALIGNMENT = 2**16

# What `general.architecture` says of the transformers that we load, and their class in diffusers.
ARCHITECTURES = {"wan": "WanTransformer3DModel", "ltxv": "LTXVideoTransformer3DModel"}
# Their usual names.
LABELS = {
    "wan": "Wan", "ltxv": "LTX-Video", "hyvid": "HunyuanVideo", "flux": "Flux", "sdxl": "SDXL", "cosmos": "Cosmos",
    "sd1": "Stable Diffusion 1.5", "sd3": "Stable Diffusion 3", "qwen_image": "Qwen-Image",
}  # fmt: skip

# The types that diffusers computes with: name, numbers in a block, and bytes of one.
TYPES: Mapping[int, tuple[str, int, int]] = {
    0: ("F32", 1, 4),
    1: ("F16", 1, 2),
    2: ("Q4_0", 32, 18),
    3: ("Q4_1", 32, 20),
    6: ("Q5_0", 32, 22),
    7: ("Q5_1", 32, 24),
    8: ("Q8_0", 32, 34),
    10: ("Q2_K", 256, 84),
    11: ("Q3_K", 256, 110),
    12: ("Q4_K", 256, 144),
    13: ("Q5_K", 256, 176),
    14: ("Q6_K", 256, 210),
    20: ("IQ4_NL", 32, 18),
    23: ("IQ4_XS", 256, 136),
    30: ("BF16", 1, 2),
}
PLAIN = ("F32", "F16")  # loaded as what they are
# Others, for the sentence that refuses them.
_OTHER_TYPES = {
    9: "Q8_1", 15: "Q8_K", 16: "IQ2_XXS", 17: "IQ2_XS", 18: "IQ3_XXS", 19: "IQ1_S", 21: "IQ3_S", 22: "IQ2_S",
    24: "I8", 25: "I16", 26: "I32", 27: "I64", 28: "F64", 29: "IQ1_M", 34: "TQ1_0", 35: "TQ2_0", 39: "MXFP4",
    40: "NVFP4", 41: "Q1_0",
}  # fmt: skip

_SHORT, _WHOLE, _STRING, _LIST = 2, 4, 8, 9
_BYTES = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}  # by the type of a single value
_ALIGNMENT, _ARCHITECTURE, _PARTS = "general.alignment", "general.architecture", "split.count"


class GgufError(Exception):
    """A file that is not loaded.

    Args:
        reason: "foreign" (no GGUF file), "truncated", "damaged" (or beyond the bounds), "architecture" or "type" (it
            is whole, but holds something that we do not load), or "split" (one of several files).
        found: for the last three, what it holds, or how many files there are.
    """

    def __init__(self, reason: str, found: str = "") -> None:
        super().__init__(reason, found)
        self.reason, self.found = reason, found


@dataclass(frozen=True, slots=True)
class Weight:
    """Shape (as torch counts dimensions) and type of a weight."""

    shape: tuple[int, ...]
    type: str


@dataclass(frozen=True, slots=True)
class Gguf:
    """A header: one of `ARCHITECTURES`, or "" if the file does not say, and its weights by name."""

    architecture: str
    weights: Mapping[str, Weight]


def read_gguf(file: BinaryIO, size: int) -> Gguf:
    """Return the header of a file of `size` bytes, which is at its beginning.

    Raises:
        GgufError: it cannot be loaded. All its weights are in the file, and none overlaps another.
    """
    if file.read(4) != b"GGUF":
        raise GgufError("foreign")
    header = _Header(file, min(size, MOST_HEADER), is_whole=size <= MOST_HEADER)
    version, count, values = header.unpack("<IQQ")
    if version not in (2, 3) or count > MOST_WEIGHTS or values > MOST_VALUES:
        raise GgufError("damaged")
    facts = _facts(header, values)
    weights = [header.weight() for _ in range(count)]
    if len({name for name, *_ in weights}) != count:
        raise GgufError("damaged")
    alignment = int(facts.get(_ALIGNMENT, 32))
    start = -(-header.place // alignment) * alignment
    _require_places([(start + offset, length) for _, _, length, offset in weights], alignment, size)
    return Gguf(str(facts.get(_ARCHITECTURE, "")), {name: weight for name, weight, *_ in weights})


def label(architecture: str) -> str:
    """Return the usual name of what a file says that it holds, on one line."""
    shown = "".join(letter if letter.isprintable() else " " for letter in architecture[:40]).strip()
    return LABELS.get(architecture, shown or "?")


class _Header:
    """Reads the parts of a header in their order, none of them beyond its end.

    Args:
        most: where to stop.
        is_whole: whether the file ends there.
    """

    def __init__(self, file: BinaryIO, most: int, *, is_whole: bool) -> None:
        self._file, self._most, self._is_whole = file, most, is_whole
        self.place, self._items = 4, 0

    def take(self, count: int) -> bytes:
        self.place += count
        if self.place > self._most:
            raise GgufError("truncated" if self._is_whole else "damaged")
        taken = self._file.read(count)
        if len(taken) < count:
            raise GgufError("truncated")
        return taken

    def unpack(self, layout: str) -> tuple[int, ...]:
        return struct.unpack(layout, self.take(struct.calcsize(layout)))

    def text(self, longest: int) -> str:
        (length,) = self.unpack("<Q")
        if length > longest:
            raise GgufError("damaged")
        try:
            return self.take(length).decode()
        except UnicodeDecodeError as error:
            raise GgufError("damaged") from error

    def value(self, type: int) -> str | int | None:
        """Return a text or a whole number of 2 or 4 bytes; nothing needs the others."""
        if type == _STRING:
            return self.text(MOST_HEADER)
        if type == _LIST:
            item, count = self.unpack("<IQ")
            self._items += count
            if self._items > MOST_ITEMS or item == _LIST:
                raise GgufError("damaged")
            for _ in range(count):
                self.value(item)
            return None
        if type not in _BYTES:
            raise GgufError("damaged")
        taken = self.take(_BYTES[type])
        return int.from_bytes(taken, "little") if type in (_SHORT, _WHOLE) else None

    def weight(self) -> tuple[str, Weight, int, int]:
        """Return name, weight, length in bytes, and where it begins behind the header."""
        name = self.text(LONGEST_NAME)
        (dimensions,) = self.unpack("<I")
        if not name or not 1 <= dimensions <= MOST_DIMENSIONS:
            raise GgufError("damaged")
        shape = self.unpack(f"<{dimensions}Q")[::-1]
        type, offset = self.unpack("<IQ")
        if type not in TYPES:
            raise GgufError("type", _OTHER_TYPES.get(type, f"type {type}"))
        title, block, length = TYPES[type]
        if not all(0 < side < 2**40 for side in shape) or math.prod(shape) >= 2**40 or shape[-1] % block:
            raise GgufError("damaged")
        return name, Weight(shape, title), math.prod(shape) // block * length, offset


def _facts(header: _Header, count: int) -> dict[str, str | int]:
    """Return the named values that say how to read the file. What we do not load ends at its architecture."""
    found: dict[str, str | int | None] = {}
    for _ in range(count):
        name = header.text(LONGEST_NAME)
        (type,) = header.unpack("<I")
        value = header.value(type)
        if name in found:
            raise GgufError("damaged")
        found[name] = value if name == _ARCHITECTURE or (name == _ALIGNMENT and type == _WHOLE) else None
        if name == _PARTS and isinstance(value, int) and value > 1:
            raise GgufError("split", str(value))
        if name == _ARCHITECTURE and value not in ARCHITECTURES:
            raise GgufError("architecture", label(str(value or "")))
    alignment = found.get(_ALIGNMENT, 32)
    if not isinstance(alignment, int) or not 8 <= alignment <= MOST_ALIGNMENT or alignment & (alignment - 1):
        raise GgufError("damaged")
    return {name: value for name, value in found.items() if value is not None}


def _require_places(places: list[tuple[int, int]], alignment: int, size: int) -> None:
    """Raise GgufError unless all weights are within the file, at places that no other has."""
    end = 0
    for start, length in sorted(places):
        if start < end or start % alignment:
            raise GgufError("damaged")
        end = start + length
    if end > size:
        raise GgufError("truncated")
