"""User input becomes a file name that any system accepts."""

import pytest

from auravideo.core.file_names import stem


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A red heart, rising over the sea", "a-red-heart-rising-over-the-sea"),
        ("../../etc/passwd", "etcpasswd"),
        ("Zażółć gęślą jaźń", "zażółć-gęślą-jaźń"),
        ("красное сердце", "красное-сердце"),
        ("koło", "koło"),
        ("红色的心，升起", "红色的心升起"),
        ('a\r\nX-Header: b"', "a-x-header-b"),
        ("", "video"),
        ("---", "video"),
        ("a" * 300, "a" * 60),
        ("a" * 59 + " b", "a" * 59),  # no trailing dash
    ],
)
def test_a_title_is_a_name_with_the_letters_of_its_script(text, expected):
    assert stem(text, "video") == expected


def test_a_name_may_have_a_length_of_its_own():
    assert stem("красное сердце", length=7) == "красное"
    assert stem("красное сердце", length=8) == "красное"
    assert stem("???") == ""
