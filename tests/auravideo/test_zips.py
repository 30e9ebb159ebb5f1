"""A zip that is made while it is sent."""

import io
import zipfile

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import FileSystemStorage

from auravideo.zips import BLOCK, Entry, stream_zip, zip_blocks


@pytest.fixture
def storage(tmp_path):
    storage = FileSystemStorage(location=tmp_path)
    storage.save("a/one.mp4", ContentFile(b"one" * 1000))
    storage.save("b/two.mp4", ContentFile(bytes(3 * BLOCK + 7)))
    return storage


def opened(blocks) -> zipfile.ZipFile:
    return zipfile.ZipFile(io.BytesIO(b"".join(blocks)))


def test_the_zip_holds_every_file_under_its_name(storage):
    archive = opened(zip_blocks([Entry("0001-süß.mp4", storage, "a/one.mp4"), Entry("0002.mp4", storage, "b/two.mp4")]))
    assert archive.testzip() is None
    assert archive.namelist() == ["0001-süß.mp4", "0002.mp4"]
    assert archive.read("0001-süß.mp4") == b"one" * 1000
    assert archive.read("0002.mp4") == bytes(3 * BLOCK + 7)


def test_no_block_is_much_larger_than_what_is_read_at_a_time(storage):
    assert max(map(len, zip_blocks([Entry("two.mp4", storage, "b/two.mp4")]))) < BLOCK + 1000


def test_a_file_that_is_gone_is_left_out(storage):
    archive = opened(zip_blocks([Entry("gone.mp4", storage, "gone.mp4"), Entry("one.mp4", storage, "a/one.mp4")]))
    assert archive.namelist() == ["one.mp4"]


def test_a_zip_of_nothing_is_a_zip():
    assert opened(zip_blocks([])).namelist() == []


async def test_it_is_sent_block_by_block(storage):
    blocks = [block async for block in stream_zip([Entry("two.mp4", storage, "b/two.mp4")])]
    assert len(blocks) > 3
    assert opened(blocks).read("two.mp4") == bytes(3 * BLOCK + 7)


async def test_a_reader_who_leaves_closes_the_file(storage):
    stream = stream_zip([Entry("two.mp4", storage, "b/two.mp4")])
    assert await anext(stream)
    await stream.aclose()
