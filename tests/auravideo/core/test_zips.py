"""Zip files are streamed, hold what was requested, and cannot unpack outside their folder."""

import io
import json
import tracemalloc
import zipfile

import pytest
from asgiref.sync import async_to_sync
from django.core.files.base import ContentFile
from django.core.files.storage import storages

from auravideo.core import zips
from auravideo.core.zips import ZipEntry


def opened(entries) -> zipfile.ZipFile:
    archive = zipfile.ZipFile(io.BytesIO(b"".join(zips.stream(entries))))
    assert archive.testzip() is None
    return archive


def test_files_json_and_lists_come_out_as_they_went_in():
    stored = storages["default"].save("videos/1/video.mp4", ContentFile(b"moving pictures"))
    archive = opened(
        [
            zips.stored_file("videos/red heart.mp4", stored),
            zips.json_file("profile.json", lambda: {"name": "Żaneta"}),
            zips.json_list("jobs.json", lambda: ({"n": n} for n in range(3))),
            zips.json_list("none.json", lambda: ()),
        ]
    )
    assert archive.namelist() == ["videos/red heart.mp4", "profile.json", "jobs.json", "none.json"]
    assert archive.read("videos/red heart.mp4") == b"moving pictures"
    assert json.loads(archive.read("profile.json")) == {"name": "Żaneta"}
    assert json.loads(archive.read("jobs.json")) == [{"n": 0}, {"n": 1}, {"n": 2}]
    assert json.loads(archive.read("none.json")) == []


@pytest.mark.parametrize("gone", ["gone.mp4", "", None], ids=["gone", "never stored", "no name"])
def test_a_file_that_is_gone_is_listed_and_stops_nothing(gone):
    stored = storages["default"].save("here.mp4", ContentFile(b"here"))
    archive = opened([zips.stored_file("gone.mp4", gone), zips.stored_file("here.mp4", stored)])
    assert archive.namelist() == ["here.mp4", "MISSING.txt"]
    assert archive.read("MISSING.txt") == b"gone.mp4\n"


def test_names_are_unique_whatever_their_case():
    archive = opened(
        [ZipEntry(name, lambda: [b"x"]) for name in ("a/clip.mp4", "a/Clip.mp4", "a/clip.mp4", "b/clip.mp4")]
    )
    assert archive.namelist() == ["a/clip.mp4", "a/Clip-2.mp4", "a/clip-3.mp4", "b/clip.mp4"]


@pytest.mark.parametrize("name", ["/etc/passwd", "../up", "a/../../up", "..\\up", ""])
def test_a_name_that_leads_out_of_the_folder_is_refused(name):
    with pytest.raises(ValueError, match="cannot be a name"):
        list(zips.stream([ZipEntry(name, lambda: [b"x"])]))


def test_nothing_is_read_before_its_turn():
    read = []

    def entry(name: str) -> ZipEntry:
        return ZipEntry(name, lambda: (read.append(name), [b"x"])[1])

    blocks = zips.stream(entry(name) for name in ("a", "b"))
    assert next(blocks)
    assert read == ["a"]


def test_a_large_zip_takes_little_memory():
    block = b"\0" * zips.BLOCK
    entries = (ZipEntry(f"{n}.bin", lambda: (block for _ in range(256))) for n in range(4))
    tracemalloc.start()
    size = sum(map(len, zips.stream(entries)))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert size > 4 * 256 * zips.BLOCK
    assert peak < 16 * 2**20


def test_the_response_is_a_download_that_is_streamed():
    response = zips.response([ZipEntry("a.txt", lambda: [b"a"] * 3)], "Żółw.zip")

    async def read() -> bytes:
        return b"".join([block async for block in response])

    assert response.is_async
    assert response["Content-Type"] == "application/zip"
    assert "attachment" in response["Content-Disposition"]
    assert zipfile.ZipFile(io.BytesIO(async_to_sync(read)())).read("a.txt") == b"aaa"


def test_a_reader_who_leaves_early_leaves_no_open_file():
    closed = []

    def endless():
        try:
            while True:
                yield bytes(zips.BLOCK)
        finally:
            closed.append(True)

    blocks = zips.stream([ZipEntry("a.bin", endless)])
    assert next(blocks)
    blocks.close()
    assert closed
