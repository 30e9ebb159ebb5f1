"""Formats are listed once; all code that offers, writes or serves them uses that list."""

import re
from pathlib import Path

import pytest

from auravideo.core.media import formats as media_formats
from generation.create.forms import CreateForm
from generation.requests import fields
from generation.templatetags import labels
from workers import media

ROOT = Path(__file__).resolve().parents[4]
MAY_LIST_THEM = {"auravideo/core/media/formats.py"}
LISTED = re.compile(r"""["'](?:video/)?mp4["'][^\n]*["'](?:video/)?webm["'][^\n]*["'](?:image/)?gif["']""")
SOURCES = [
    path for app in ("accounts", "auravideo", "gallery", "generation", "workers") for path in (ROOT / app).rglob("*.py")
]


def test_all_read_the_same_list():
    assert media.FORMATS == tuple(fields.FIELDS["format"].choices) == media_formats.FORMATS
    assert [value for value, _label in CreateForm(mode="advanced").fields["format"].choices] == list(
        media_formats.FORMATS
    )
    for each in media_formats.VIDEO_FORMATS:
        assert each.content_type in labels.accepted_videos()
        assert f".{each.name}" in labels.accepted_videos()


def test_no_module_lists_them_again():
    found = {str(path.relative_to(ROOT)) for path in SOURCES if LISTED.search(path.read_text())}
    assert found <= MAY_LIST_THEM, "read auravideo/core/media/formats.py"


@pytest.mark.parametrize("line", ['FORMATS = ("mp4", "webm", "gif")', "{'mp4': 'video/mp4', 'webm': 1, 'gif': 2}"])
def test_a_second_list_is_seen(line):
    assert LISTED.search(line)
