"""Reads the variables of a TensorFlow SavedModel without TensorFlow, which takes seconds and gigabytes to load.

`variables.index` is a table in LevelDB's format (blocks of prefix-compressed keys, an index block, a footer), from keys
to `BundleEntryProto` messages that say where in `variables.data-*` a tensor lies. One more tensor is the object graph
(`TrackableObjectGraph`), which knows the variables' names. The formats are documented in TensorFlow's
`tensor_bundle.h`, `tensor_bundle.proto` and `trackable_object_graph.proto`, and in LevelDB's `table_format.md`.

Checksums are not compared: the catalogue compares the hash of every file before it is read.
"""

import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

MAGIC = 0xDB4775248B80FB57
FOOTER, TRAILER = 48, 5  # bytes: the end of the file; after each block its compression and checksum
VALUE = "/.ATTRIBUTES/VARIABLE_VALUE"  # the end of each variable's key
GRAPH_KEY = "_CHECKPOINTABLE_OBJECT_GRAPH"
FLOAT = 1  # of tensorflow.DataType
CHECKSUM = 4  # bytes, between the length and the content of a string
Message = dict[int, list[int | bytes]]


@dataclass(frozen=True)
class Variable:
    """A variable: its key, such as `first/kernel`, its name in the graph, and the place of its values."""

    key: str
    name: str
    shape: tuple[int, ...]
    file: Path = field(repr=False)
    offset: int = field(repr=False)

    def read(self) -> np.ndarray:
        """Return the values, float32.

        Raises:
            ValueError: the file is too short.
        """
        count = math.prod(self.shape)
        if self.file.stat().st_size < self.offset + 4 * count:
            raise ValueError(f"{self.file.name} ends within {self.key}")
        return np.fromfile(self.file, "<f4", count, offset=self.offset).reshape(self.shape)


def read_variables(folder: Path) -> list[Variable]:
    """Return the float32 variables of the SavedModel in `folder`, in the order of their keys.

    Raises:
        OSError, ValueError: the files are missing, damaged or in a format not described above.
    """
    try:
        return _read(folder / "variables")
    except (IndexError, KeyError, OverflowError, struct.error, UnicodeDecodeError) as error:
        raise ValueError(f"variables.index cannot be understood: {error}") from error


def _read(folder: Path) -> list[Variable]:
    table = dict(_entries((folder / "variables.index").read_bytes()))
    shards = _number(_message(table.pop(b"")), 1, 1)
    entries = {key.decode(): _message(value) for key, value in table.items()}

    def file_of(entry: Message) -> Path:
        return folder / f"variables.data-{_number(entry, 3):05}-of-{shards:05}"

    graph = entries.pop(GRAPH_KEY, None)
    names = _names(file_of(graph), _number(graph, 4)) if graph else {}
    return [
        Variable(key.removesuffix(VALUE), names.get(key, ""), _shape(entry), file_of(entry), _number(entry, 4))
        for key, entry in entries.items()
        if _number(entry, 1) == FLOAT
    ]


def _shape(entry: Message) -> tuple[int, ...]:
    shape = _message(_bytes(entry, 2))
    return tuple(_number(_message(dim), 1) for dim in shape.get(2, ()) if isinstance(dim, bytes))


def _names(file: Path, offset: int) -> dict[str, str]:
    """Return the names of the variables in the object graph, by key."""
    with file.open("rb") as stream:
        stream.seek(offset)
        length, start = _varint(stream.read(10), 0)
        stream.seek(offset + start + CHECKSUM)
        graph = _message(stream.read(min(length, file.stat().st_size)))
    found = {}
    for node in graph.get(1, ()):
        for attribute in _message(node).get(2, ()):
            fields = _message(attribute)
            found[_bytes(fields, 3).decode()] = _bytes(fields, 2).decode()
    return found


# The table ------------------------------------------------------------------------------------------------------------


def _entries(table: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the keys and values of a table, in order."""
    if len(table) < FOOTER or struct.unpack_from("<Q", table, len(table) - 8) != (MAGIC,):
        raise ValueError("variables.index is not a table of variables")
    footer = len(table) - FOOTER
    _, at = _handle(table, footer)  # of the meta index, which TensorFlow leaves empty
    (offset, size), _ = _handle(table, at)
    for _, where in _block(table, offset, size):
        yield from _block(table, *_handle(where, 0)[0])


def _handle(data: bytes, at: int) -> tuple[tuple[int, int], int]:
    """Return a block's offset and size, and where the next field starts."""
    offset, at = _varint(data, at)
    size, at = _varint(data, at)
    return (offset, size), at


def _block(table: bytes, offset: int, size: int) -> Iterator[tuple[bytes, bytes]]:
    """Yield the keys and values of a block. Each key is stored without what it shares with the one before."""
    if table[offset + size] != 0:
        raise ValueError("variables.index is compressed")
    (restarts,) = struct.unpack_from("<I", table, offset + size - 4)
    at, end, key = offset, offset + size - 4 * (restarts + 1), b""
    while at < end:
        shared, at = _varint(table, at)
        unshared, at = _varint(table, at)
        length, at = _varint(table, at)
        key = key[:shared] + table[at : at + unshared]
        at += unshared
        yield key, table[at : at + length]
        at += length


# Protocol buffers -----------------------------------------------------------------------------------------------------


def _message(data: int | bytes) -> Message:
    """Return the fields of a message by number: numbers, or the bytes of texts and messages."""
    if isinstance(data, int):
        raise ValueError("a message was expected, not a number")
    found: Message = {}
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        value: int | bytes
        match tag & 7:
            case 0:  # a number of any length
                value, at = _varint(data, at)
            case 1:  # eight bytes
                value, at = int.from_bytes(data[at : at + 8], "little"), at + 8
            case 2:  # a text or a message
                length, at = _varint(data, at)
                value, at = data[at : at + length], at + length
            case 5:  # four bytes
                value, at = int.from_bytes(data[at : at + 4], "little"), at + 4
            case kind:
                raise ValueError(f"a field of the unknown type {kind}")
        found.setdefault(tag >> 3, []).append(value)
    if at > len(data):
        raise ValueError("a message is cut off")
    return found


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """Return the number stored in groups of seven bits from `at`, and where the next field starts."""
    value = shift = 0
    while True:
        byte = data[at]
        value, shift, at = value | (byte & 0x7F) << shift, shift + 7, at + 1
        if byte < 0x80:
            return value, at


def _number(message: Message, number: int, default: int = 0) -> int:
    value = message.get(number, [default])[-1]
    if not isinstance(value, int):
        raise ValueError("a number was expected, not a message")
    return value


def _bytes(message: Message, number: int) -> bytes:
    value = message.get(number, [b""])[-1]
    if not isinstance(value, bytes):
        raise ValueError("a message was expected, not a number")
    return value
