"""Scripts and lookalikes of characters, after Unicode's Technical Standard 39 (tables.txt)."""

import unicodedata
from bisect import bisect_right
from functools import cache
from pathlib import Path
from typing import NamedTuple

SKELETON_LENGTH = 255  # characters; some expand to several
COMMON = ""  # the script of characters that all scripts share, such as digits and accents
# Scripts that are written together: the profile "Highly Restrictive" of the standard (section 5.2).
_TOGETHER = (
    frozenset({"Latin", "Han", "Hiragana", "Katakana"}),
    frozenset({"Latin", "Han", "Bopomofo"}),
    frozenset({"Latin", "Han", "Hangul"}),
)


class _Tables(NamedTuple):
    starts: list[int]
    ranges: list[tuple[int, int, str]]  # first and last code point, script
    lookalikes: dict[int, str]


@cache
def _tables() -> _Tables:
    text = (Path(__file__).parent / "tables.txt").read_text(encoding="utf-8")
    scripts, lookalikes = text.partition("[scripts]\n")[2].split("\n[lookalikes]\n")
    ranges = []
    for line in scripts.splitlines():
        points, script = line.split(" ")
        first, last = points.split("..")
        ranges.append((int(first, 16), int(last, 16), script))
    pairs = (line.split(" ", 1) for line in lookalikes.splitlines())
    return _Tables([entry[0] for entry in ranges], ranges, {ord(source): target for source, target in pairs})


def script_of(character: str) -> str:
    """Return the name of a character's script, such as 'Latin', or COMMON."""
    tables, point = _tables(), ord(character)
    number = bisect_right(tables.starts, point) - 1
    if number < 0 or point > tables.ranges[number][1]:
        return COMMON
    return tables.ranges[number][2]


def is_of_one_script(text: str) -> bool:
    """Return whether nobody mixes scripts to look like somebody else; Japanese, for example, is written in three."""
    scripts = {script_of(character) for character in text} - {COMMON}
    return len(scripts) < 2 or any(scripts <= together for together in _TOGETHER)


def skeleton(name: str) -> str:
    """Return what a name looks like, whatever the case: two names that can be confused have the same skeleton."""
    return _confused(_confused(unicodedata.normalize("NFKC", name)).casefold())[:SKELETON_LENGTH]


def skeletons(name: str) -> set[str]:
    """Return the skeletons of a name as written and in small letters.

    A capital I looks like an l, so `PauI` has that of `Paul`; but in small letters it is `paui`.
    """
    return {skeleton(name), skeleton(unicodedata.normalize("NFKC", name).casefold())}


def _confused(text: str) -> str:
    """Return the skeleton of the standard (section 4) for letters and digits."""
    decomposed = unicodedata.normalize("NFD", text)
    return unicodedata.normalize("NFD", decomposed.translate(_tables().lookalikes))
