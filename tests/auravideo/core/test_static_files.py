"""Static files are hashed and compressed; a file that was not collected never breaks a page."""

import gzip
import json
import re
from pathlib import Path

import pytest
from django.contrib.staticfiles import finders
from django.urls import reverse

from auravideo.core import static_files

ROOT = Path(__file__).resolve().parents[3]
NAMED = re.compile(r"""\{%\s*static\s+["']([^"']+)["']""")


@pytest.fixture
def folder(settings, tmp_path):
    settings.HOME = tmp_path
    settings.STATIC_ROOT = tmp_path / "static"
    return settings.STATIC_ROOT


@pytest.fixture
def collected(folder):
    assert static_files.collect()
    return static_files.HashedStaticFiles(location=folder, base_url="/static/")


def test_names_follow_the_content_and_files_are_compressed(collected, folder):
    name = collected.url("css/auravideo.css").removeprefix("/static/")
    assert re.fullmatch(r"css/auravideo\.[0-9a-f]{12}\.css", name)
    packed = folder / f"{name}.gz"
    assert gzip.decompress(packed.read_bytes()) == (folder / name).read_bytes()
    assert b"chevron." in (folder / name).read_bytes()
    assert b"chevron.svg" not in (folder / name).read_bytes(), "a stylesheet names a picture by its plain name"


def test_nothing_is_collected_again_until_something_changes(collected, folder, settings, tmp_path):
    assert not static_files.collect()
    extra = tmp_path / "more"
    extra.mkdir()
    (extra / "new.css").write_text("p {}")
    settings.STATICFILES_DIRS = [*settings.STATICFILES_DIRS, extra]
    finders.get_finder.cache_clear()
    try:
        assert static_files.collect()
        assert "new.css" in json.loads((folder / "staticfiles.json").read_text())["paths"]
    finally:
        finders.get_finder.cache_clear()


def test_what_is_left_of_an_interrupted_collection_is_made_anew(collected, folder):
    (folder / "staticfiles.json").unlink()
    assert static_files.collect()


def test_files_that_an_image_brings_are_not_collected_again(folder, settings):
    settings.STATIC_COLLECTED = str(folder)
    assert not static_files.collect()
    assert not folder.exists()


def test_a_file_that_was_not_collected_keeps_its_plain_name(folder):
    folder.mkdir()
    storage = static_files.HashedStaticFiles(location=folder, base_url="/static/")
    assert storage.url("css/auravideo.css") == "/static/css/auravideo.css"


def test_every_file_that_a_template_names_is_there():
    named = {name for path in (ROOT / "templates").rglob("*.html") for name in NAMED.findall(path.read_text())}
    assert len(named) > 5
    assert [name for name in named if finders.find(name) is None] == []


def test_pages_are_compressed_and_videos_are_not(client, db, user, tmp_path):
    from django.core.files.base import ContentFile
    from django.core.files.storage import storages

    from tests.factories import VideoFactory

    page = client.get(reverse("help"), headers={"Accept-Encoding": "gzip"})
    assert page["Content-Encoding"] == "gzip"
    video = VideoFactory(user=user)
    storages["default"].save(video.video_file.name, ContentFile(b"\0" * 5000))
    client.force_login(user)
    headers = {"Accept-Encoding": "gzip", "Range": "bytes=0-999"}
    part = client.get(reverse("gallery:file", args=[video.pk]), headers=headers)
    assert "Content-Encoding" not in part
    assert part["Content-Length"] == "1000"
