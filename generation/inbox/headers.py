"""What a safetensors file says about itself, read without its weights and without a library that would map them.

A file begins with the length of its header (8 bytes), then the header: JSON that gives type, shape and place of every
weight, and texts under `__metadata__`. Nothing else is read, nothing is unpickled, and everything is bounded.
"""

import json
import math
import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

from generation.catalogue.gguf_file import GgufError, label, read_gguf
from generation.inbox import names
from generation.inbox.reasons import Refused

MB = 2**20
MOST_HEADER = 16 * MB  # SDXL's is 0.3 MB; some LoRAs list the captions of their training pictures
MOST_WEIGHTS = 50_000
LONGEST_NAME = 300  # the longest of a LoRA for Stable Diffusion has about 110 characters
MOST_DIMENSIONS = 8
# Of each number, by the name of its type in a header.
_BITS = {
    **dict.fromkeys(("F4",), 4), **dict.fromkeys(("F6_E2M3", "F6_E3M2"), 6),
    **dict.fromkeys(("BOOL", "U8", "I8", "F8_E4M3", "F8_E5M2", "F8_E8M0", "F8_E4M3FNUZ", "F8_E5M2FNUZ"), 8),
    **dict.fromkeys(("U16", "I16", "F16", "BF16"), 16), **dict.fromkeys(("U32", "I32", "F32"), 32),
    **dict.fromkeys(("U64", "I64", "F64", "C64"), 64),
}  # fmt: skip

_SIGNS = {
    b"PK\x03\x04": "archive",
    b"\x80\x02": "pickle-inside",
    b"\x80\x03": "pickle-inside",
    b"\x80\x04": "pickle-inside",
    b"version https://git-lfs": "pointer",
    b"GGUF": "gguf",
}


@dataclass(frozen=True, slots=True)
class Header:
    """The shapes of a file's weights by name, those of its texts that names.py uses, and its size in bytes."""

    shapes: Mapping[str, tuple[int, ...]]
    metadata: Mapping[str, str]
    size: int


def read_header(path: Path) -> Header:
    """Return the header of a safetensors file.

    Raises:
        Refused: it is a link, no file, no safetensors file, damaged, or larger than the bounds.
    """
    with _opened(path) as (file, size):
        start = file.read(512)
        if found := _disguise(start):
            raise Refused(found)
        if size < 8:
            raise Refused("truncated")
        length = int.from_bytes(start[:8], "little")
        if start[8:9] != b"{":
            raise Refused("damaged" if size > 9 else "truncated")
        if length > MOST_HEADER:
            raise Refused("huge-header", size=length // MB, most=MOST_HEADER // MB)
        if 8 + length > size:
            raise Refused("truncated")
        file.seek(8)
        shapes, metadata, end = _parsed(file.read(length))
    if 8 + length + end > size:
        raise Refused("truncated")
    if 8 + length + end < size:
        raise Refused("too-long")
    return Header(shapes, metadata, size)


def refuse_gguf(path: Path) -> NoReturn:
    """Raise Refused for a GGUF file: none is approved, but a transformer can be used by an entry."""
    with _opened(path) as (file, size):
        found = _disguise(file.read(512))
        if found not in (None, "gguf"):
            raise Refused(found)
        file.seek(0)
        try:
            architecture = read_gguf(file, size).architecture
        except GgufError as error:
            raise _refused_gguf(error) from error
    if not architecture:
        raise Refused("gguf-unnamed")
    raise Refused("gguf-by-entry", made_for=label(architecture))


def _refused_gguf(error: GgufError) -> Refused:
    if error.reason == "architecture":
        return Refused("gguf-other", made_for=error.found)
    if error.reason == "split":
        return Refused("gguf-split", count=error.found)
    if error.reason == "type":
        return Refused("gguf-type", type=error.found)
    return Refused("truncated" if error.reason == "truncated" else "gguf-damaged")


@contextmanager
def _opened(path: Path) -> Iterator[tuple[BinaryIO, int]]:
    """Yield an ordinary file and its size. Neither follows a link nor waits for a pipe."""
    try:
        number = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise Refused("gone") from None
    except OSError as error:
        if path.is_symlink():
            raise Refused("link") from error
        raise Refused("unreadable", problem=error.strerror or error) from error
    status = os.fstat(number)
    if not stat.S_ISREG(status.st_mode):
        os.close(number)
        raise Refused("folder" if stat.S_ISDIR(status.st_mode) else "no-file")
    with os.fdopen(number, "rb") as file:
        try:
            yield file, status.st_size
        except OSError as error:
            raise Refused("unreadable", problem=error.strerror or error) from error


def _disguise(start: bytes) -> str | None:
    """Return the reason why a file that begins so is no safetensors file, if that can be told."""
    for sign, reason in _SIGNS.items():
        if start.startswith(sign):
            return reason
    # A length that begins with "<" has another byte before the header's brace than a page has.
    return "page" if start.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<") and start[8:9] != b"{" else None


def _parsed(text: bytes) -> tuple[dict[str, tuple[int, ...]], dict[str, str], int]:
    """Return shapes, texts, and where the last weight ends, in bytes behind the header."""
    try:
        content = json.loads(text.decode())  # of bytes, Python would read UTF-16, too, which nothing loads
        if not isinstance(content, dict):
            raise ValueError("no object")
        texts = content.pop("__metadata__", None) or {}
        if len(content) > MOST_WEIGHTS or not isinstance(texts, dict):
            raise ValueError("too many weights, or metadata that are no texts")
        weights = {name: _weight(name, weight) for name, weight in content.items()}
        end = _end([place for _shape, *place in weights.values()])
        return {name: shape for name, (shape, *_place) in weights.items()}, names.used(texts), end
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise Refused("damaged") from error


def _weight(name: str, weight: Mapping[str, Any]) -> tuple[tuple[int, ...], int, int]:
    """Return the shape of a weight, where it begins, and where it ends."""
    shape, (start, stop) = weight["shape"], weight["data_offsets"]
    numbers = [*shape, start, stop]
    if not all(type(number) is int and 0 <= number < 2**50 for number in numbers) or start > stop:
        raise ValueError("no sizes")
    if len(name) > LONGEST_NAME or len(shape) > MOST_DIMENSIONS:
        raise ValueError("beyond the bounds")
    if math.prod(shape) * _BITS[weight["dtype"]] != 8 * (stop - start):
        raise ValueError("another size than the shape's")
    return tuple(shape), start, stop


def _end(places: list[list[int]]) -> int:
    """Return where the last weight ends. As when it is loaded, no weight overlaps another, and there are no gaps."""
    end = 0
    for start, stop in sorted(places):
        if start != end:
            raise ValueError("weights overlap, or are apart")
        end = stop
    return end
