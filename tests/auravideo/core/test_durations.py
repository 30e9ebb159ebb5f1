"""Durations are formatted in words."""

import pytest

from auravideo.core.templatetags.durations import about


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (None, ""),
        (0.2, "1 s"),
        (89.4, "89 s"),
        (90, "2 min"),
        (3600, "60 min"),
        (5400, "1 h 30 min"),
        (7190, "2 h"),
        (90_000, "1 day"),
        (200_000, "2 days"),
    ],
)
def test_a_length_of_time_reads_no_more_exact_than_it_is(seconds, words):
    assert about(seconds) == words
