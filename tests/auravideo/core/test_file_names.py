"""User input becomes a file name that any system accepts."""

import pytest

from auravideo.core.file_names import stem


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A red heart, rising over the sea", "a-red-heart-rising-over-the-sea"),
        ("../../etc/passwd", "etcpasswd"),
        ("Zażółć gęślą jaźń", "zazoc-gesla-jazn"),
        ("красное сердце", "video"),
        ("", "video"),
        ("---", "video"),
        ("a" * 300, "a" * 60),
        ("a" * 59 + " b", "a" * 59),  # no trailing dash
    ],
)
def test_a_title_is_a_name_in_ascii(text, expected):
    assert stem(text, "video") == expected


def test_a_name_may_keep_every_script_and_have_a_length_of_its_own():
    assert stem("красное сердце", length=7, unicode=True) == "красное"
    assert stem("красное сердце", length=8, unicode=True) == "красное"
    assert stem("???", unicode=True) == ""
