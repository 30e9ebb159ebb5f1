"""A minimal parser of mp4, webm and gif containers: no decoder, and a bounded number of bytes read.

mp4 boxes: ISO/IEC 14496-12, 4.2; the comment tag is the iTunes metadata item `\\xa9cmt`. webm elements: RFC 8794
(EBML) and RFC 9559 (Matroska). gif blocks: GIF89a.
"""

from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

# Bytes read from one file at most: enough for the longest settings and the headers of about ten thousand parts.
READ_BUDGET = 256 * 1024

_EBML, _SEGMENT, _CLUSTER, _CUES = 0x1A45DFA3, 0x18538067, 0x1F43B675, 0x1C53BB6B
_TAGS, _TAG, _SIMPLE_TAG, _TAG_NAME, _TAG_STRING = 0x1254C367, 0x7373, 0x67C8, 0x45A3, 0x4487


class GiveUpError(Exception):
    """The file is malformed or truncated, or parsing it would exceed the read budget."""


class _Part(NamedTuple):
    """A box or element: its id and the byte offsets of its content."""

    id: bytes | int
    start: int
    end: int


class _Reader:
    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self.budget = READ_BUDGET
        self.size = file.seek(0, 2)

    def read(self, start: int, size: int) -> bytes:
        self.budget -= size
        if size < 0 or self.budget < 0 or start + size > self.size:
            raise GiveUpError
        self.file.seek(start)
        data = self.file.read(size)
        if len(data) != size:
            raise GiveUpError
        return data


def comments(file: BinaryIO, longest: int) -> Iterator[bytes]:
    """Yield the comments of an mp4, webm or gif file, up to `longest` bytes each; none from other or damaged files."""
    reader = _Reader(file)
    try:
        for parts in _comments(reader):
            if sum(part.end - part.start for part in parts) <= longest:
                yield b"".join(reader.read(part.start, part.end - part.start) for part in parts)
    except GiveUpError:
        return


def comment_places(file: BinaryIO) -> list[list[tuple[int, int]]]:
    """Return where the comments of an mp4, webm or gif file are: for each, the byte ranges [start, end) of its text.

    A gif has its comments in blocks of 255 bytes. Of other files, nothing is returned.

    Raises:
        GiveUpError: the file is damaged, so that a comment may have been missed.
    """
    return [[(part.start, part.end) for part in parts] for parts in _comments(_Reader(file))]


def _comments(reader: "_Reader") -> Iterator[list["_Part"]]:
    """Yield the parts of each comment's text."""
    magic = reader.read(0, 12) if reader.size >= 12 else b""
    if magic[:4] in (b"GIF8",):
        yield from _gif_comments(reader)
    elif int.from_bytes(magic[:4], "big") == _EBML:
        yield from _webm_comments(reader)
    elif magic[4:8] == b"ftyp":
        yield from _mp4_comments(reader)


def is_faststart(file: BinaryIO) -> bool:
    """Return whether playback can start mid-download: in mp4 and webm, the index must precede the frames."""
    reader = _Reader(file)
    try:
        if int.from_bytes(reader.read(0, 4), "big") == _EBML:
            ids = (part.id for part in _segment_parts(reader))
            return next(id for id in ids if id in (_CUES, _CLUSTER)) == _CUES
        if reader.read(4, 4) == b"ftyp":
            ids = (part.id for part in _boxes(reader, 0, reader.size))
            return next(id for id in ids if id in (b"moov", b"mdat")) == b"moov"
        return reader.read(0, 4) == b"GIF8"  # a gif has no index
    except (GiveUpError, StopIteration):
        return False


def _boxes(reader: _Reader, start: int, end: int) -> Iterator[_Part]:
    while start + 8 <= end:
        header = reader.read(start, 8)
        size, head = int.from_bytes(header[:4], "big"), 8
        if size == 1:
            size, head = int.from_bytes(reader.read(start + 8, 8), "big"), 16
        elif size == 0:
            size = end - start
        if size < head or start + size > end:
            raise GiveUpError
        yield _Part(header[4:], start + head, start + size)
        start += size


def _boxes_at(reader: _Reader, start: int, end: int, *path: bytes) -> Iterator[_Part]:
    for box in _boxes(reader, start, end):
        if box.id != path[0]:
            continue
        if len(path) == 1:
            yield box
        else:
            # `meta` is a full box: four bytes of version and flags precede its children
            yield from _boxes_at(reader, box.start + (4 if box.id == b"meta" else 0), box.end, *path[1:])


def _mp4_comments(reader: _Reader) -> Iterator[list[_Part]]:
    for box in _boxes_at(reader, 0, reader.size, b"moov", b"udta", b"meta", b"ilst", b"\xa9cmt", b"data"):
        if box.end - box.start < 8:
            raise GiveUpError
        yield [_Part(box.id, box.start + 8, box.end)]  # skip the value's type and locale


def _vint(reader: _Reader, start: int, longest: int, *, keep_marker: bool) -> tuple[int, int, bool]:
    """Read an EBML variable-length integer: its value, its length in bytes, and whether it means 'unknown'."""
    first = reader.read(start, 1)[0]
    length = 9 - first.bit_length()
    if length > longest:
        raise GiveUpError
    value = int.from_bytes(reader.read(start, length), "big")
    ones = (1 << (7 * length)) - 1
    unknown = value & ones == ones
    return (value if keep_marker else value & ones), length, unknown


def _elements(reader: _Reader, start: int, end: int) -> Iterator[_Part]:
    while start < end:
        id, id_length, _ = _vint(reader, start, 4, keep_marker=True)
        size, size_length, unknown = _vint(reader, start + id_length, 8, keep_marker=False)
        content = start + id_length + size_length
        stop = end if unknown else content + size
        if stop > end:
            raise GiveUpError
        yield _Part(id, content, stop)
        start = stop


def _segment_parts(reader: _Reader) -> Iterator[_Part]:
    for element in _elements(reader, 0, reader.size):
        if element.id == _SEGMENT:
            yield from _elements(reader, element.start, element.end)


def _webm_comments(reader: _Reader) -> Iterator[list[_Part]]:
    for tags in _segment_parts(reader):
        for tag in _elements(reader, tags.start, tags.end) if tags.id == _TAGS else ():
            for simple in _elements(reader, tag.start, tag.end) if tag.id == _TAG else ():
                if simple.id == _SIMPLE_TAG:
                    yield from _comment_of(reader, simple)


def _comment_of(reader: _Reader, simple_tag: _Part) -> Iterator[list[_Part]]:
    parts = {part.id: part for part in _elements(reader, simple_tag.start, simple_tag.end)}
    name, text = parts.get(_TAG_NAME), parts.get(_TAG_STRING)
    if name is None or text is None or name.end - name.start > 64:
        return
    if reader.read(name.start, name.end - name.start).upper() == b"COMMENT":
        yield [text]


def _gif_comments(reader: _Reader) -> Iterator[list[_Part]]:
    """Yield the comments before the first image, which is where `encode` writes them."""
    flags = reader.read(10, 1)[0]
    place = 13 + (3 << ((flags & 7) + 1) if flags & 0x80 else 0)
    while reader.read(place, 1) == b"\x21":
        is_comment = reader.read(place + 1, 1) == b"\xfe"
        place += 2
        text = []
        while size := reader.read(place, 1)[0]:
            text.append(_Part(b"", place + 1, place + 1 + size))
            place += 1 + size
        place += 1
        if is_comment:
            yield text
