"""Settings embedded in a file, and untrusted files."""

import io
import json
import struct

import av
import numpy as np
import pytest
from PIL import Image

from auravideo.core.media.containers import READ_BUDGET
from tests.costs import at_most
from tests.workers.media.clips import CODECS, SETTINGS, encode
from workers import media


@pytest.mark.parametrize("format", CODECS)
def test_other_programs_find_the_settings_as_the_comment(tmp_path, format):
    path = encode(tmp_path, format, metadata=SETTINGS)
    if format == "gif":
        with Image.open(path) as image:
            comment = image.info["comment"].decode("ascii")
    else:
        with av.open(str(path)) as container:
            comment = {key.lower(): value for key, value in container.metadata.items()}["comment"]
    assert json.loads(comment) == SETTINGS


@pytest.mark.parametrize("format", CODECS)
@pytest.mark.parametrize("written", [{"a": 1}, {"prompt": '心🎈é"\\' * 2000}, {"half": "\ud83c"}], ids=len)
def test_any_settings_are_read_back(tmp_path, format, written):
    path = encode(tmp_path, format, metadata=written)
    assert media.read_settings(path) == written
    assert media.read_settings(str(path)) == written
    file = io.BytesIO(path.read_bytes())
    file.seek(7)
    assert media.read_settings(file) == written
    assert file.tell() == 7
    assert media.probe(path).frames == 8


@pytest.mark.parametrize("format", CODECS)
def test_a_file_without_settings_has_none(tmp_path, format):
    assert media.read_settings(encode(tmp_path, format)) is None


@pytest.mark.parametrize("format", CODECS)
def test_reading_settings_never_raises_on_damage(tmp_path, format):
    data = encode(tmp_path, format, metadata=SETTINGS).read_bytes()
    rng = np.random.default_rng(1)
    for _ in range(400):
        damaged = bytearray(data[: rng.integers(0, len(data))])
        for place in rng.integers(0, max(1, min(len(damaged), 3000)), 8 if len(damaged) else 0):
            damaged[place] = rng.integers(0, 256)
        settings = media.read_settings(io.BytesIO(damaged))
        assert settings is None or isinstance(settings, dict)


class CountingFile(io.BytesIO):
    bytes_read = 0

    def read(self, size=-1):
        data = super().read(size)
        self.bytes_read += len(data)
        return data


def box(name: bytes, *content: bytes) -> bytes:
    body = b"".join(content)
    return struct.pack(">I4s", 8 + len(body), name) + body


def mp4_with_comment(comment: bytes) -> bytes:
    item = box(b"\xa9cmt", box(b"data", bytes(8), comment))
    return box(b"ftyp", b"isom") + box(b"moov", box(b"udta", box(b"meta", bytes(4), box(b"ilst", item))))


EBML = bytes.fromhex("1a45dfa380")
SEGMENT_OF_UNKNOWN_SIZE = bytes.fromhex("18538067") + b"\x01" + b"\xff" * 7
HOSTILE = {
    "empty": b"",
    "not a video": b"<html>" * 100,
    "mp4 of a million boxes": box(b"ftyp", b"isom") + box(b"free") * 1_000_000,
    "mp4 with a box larger than the file": box(b"ftyp", b"isom") + b"\xff\xff\xff\xffmoov",
    "mp4 with a box smaller than its header": box(b"ftyp", b"isom") + b"\0\0\0\x01moov" + bytes(8) + b"\0" * 100,
    "mp4 with a huge comment": mp4_with_comment(b'{"a":"' + b"a" * 10_000_000 + b'"}'),
    "mp4 with a list": mp4_with_comment(b"[1]"),
    "mp4 with deep nesting": mp4_with_comment(b"[" * 60_000),
    "mp4 with a huge number": mp4_with_comment(b'{"a":' + b"9" * 60_000 + b"}"),
    "mp4 with broken text": mp4_with_comment(b'{"a":"\xff"}'),
    "webm of a million elements": EBML + SEGMENT_OF_UNKNOWN_SIZE + b"\xec\x80" * 1_000_000,
    "webm with an impossible number": EBML + SEGMENT_OF_UNKNOWN_SIZE + bytes(1000),
    "gif of a million comments": b"GIF89a" + bytes(7) + b"\x21\xfe\x01[\0" * 1_000_000,
    "gif with an endless comment": b"GIF89a" + bytes(7) + b"\x21\xfe" + (b"\xff" + b"a" * 255) * 40_000,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_have_no_settings_and_cost_little(name):
    file = CountingFile(HOSTILE[name])
    assert media.read_settings(file) is None
    assert file.bytes_read <= READ_BUDGET


def test_the_hostile_boxes_are_read_when_they_are_honest():
    assert media.read_settings(io.BytesIO(mp4_with_comment(b'{"a":1}'))) == {"a": 1}


def test_a_missing_file_is_an_error_and_not_a_file_without_settings(tmp_path):
    with pytest.raises(FileNotFoundError):
        media.read_settings(tmp_path / "none.mp4")


def mp4_with(comments: bytes) -> bytes:
    return box(b"ftyp", b"isom\0\0\0\0") + box(b"moov", box(b"udta", box(b"meta", b"\0" * 4 + box(b"ilst", comments))))


def comment_box(text: bytes) -> bytes:
    return box(b"\xa9cmt", box(b"data", b"\0" * 8 + text))


SEGMENT = b"\x1a\x45\xdf\xa3\x80\x18\x53\x80\x67\x01" + b"\xff" * 7
COSTLY = {
    "empty boxes": box(b"ftyp", b"isom\0\0\0\0") + box(b"free", b"") * 100_000,
    "comments": mp4_with(comment_box(b"") * 30_000),
    "brackets": mp4_with(comment_box(b"[" * 60_000) * 14),
    "digits": mp4_with(comment_box(b'{"a":' + b"1" * 60_000 + b"}") * 14),
    "a number beyond all": mp4_with(comment_box(b'{"request":{"seed":1e999999}}')),
    "empty elements": SEGMENT + b"\xec\x80" * 400_000,
    "tags": SEGMENT + (b"\x12\x54\xc3\x67\x87\x73\x73\x84\x67\xc8\x81\xec") * 80_000,
    "segments": b"\x1a\x45\xdf\xa3\x80" * 190_000,
    "blocks of one byte": b"GIF89a" + b"\0" * 7 + b"\x21\xfe" + b"\x01a" * 400_000,
    "empty comments": b"GIF89a" + b"\0" * 7 + b"\x21\xfe\x00" * 300_000,
    "NULs": b"\0" * 900_000,
}


@pytest.mark.parametrize("data", COSTLY.values(), ids=COSTLY)
def test_no_file_takes_long_to_read(data):
    with at_most(2):
        found = media.read_settings(io.BytesIO(data))
    assert found is None or isinstance(found, dict)
