"""Timestamps name their time zone."""

from datetime import UTC, datetime

import pytest
from django.utils import translation

from auravideo.core.templatetags.moments import moment, moment_text

WHEN = datetime(2026, 11, 26, 20, 40, tzinfo=UTC)


@pytest.mark.parametrize(
    ("language", "zone", "expected"),
    [
        ("en", "UTC", "26 November 2026, 20:40 UTC"),
        ("en", "Europe/Warsaw", "26 November 2026, 21:40 CET"),
        ("pl", "Europe/Warsaw", "26 listopada 2026 21:40 CET"),
    ],
)
def test_a_moment_names_its_time_zone(settings, language, zone, expected):
    settings.TIME_ZONE = zone
    with translation.override(language):
        assert moment_text(WHEN) == expected
        assert moment(WHEN) == f'<time datetime="2026-11-26T20:40:00+00:00" data-moment>{expected}</time>'


def test_no_moment_is_no_text():
    assert moment(None) == ""
