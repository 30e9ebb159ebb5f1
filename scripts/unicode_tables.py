"""Write accounts/names/tables.txt from Unicode's Scripts.txt and confusables.txt.

    python -m scripts.unicode_tables FOLDER

FOLDER has both files of one version, from https://www.unicode.org/Public/ (ucd/ and security/). Only what can occur in
a username is kept: letters and digits that NFKC leaves as they are.
"""

import sys
import unicodedata
from collections.abc import Iterator
from pathlib import Path

TARGET = Path(__file__).resolve().parents[1] / "accounts" / "names" / "tables.txt"
NOTICE = """\
# Derived from Scripts.txt and confusables.txt, version {version}, by scripts/unicode_tables.py.
# Copyright (c) 1991-2025 Unicode, Inc. Unicode License v3: UNICODE-LICENSE.txt in this folder.
"""


def entries(path: Path) -> Iterator[list[str]]:
    """Yield the fields of each line, without the comments."""
    for line in path.read_text(encoding="utf-8-sig").splitlines():
        fields = [field.strip() for field in line.partition("#")[0].split(";")]
        if len(fields) > 1:
            yield fields


def is_possible(character: str) -> bool:
    return character.isalnum() and unicodedata.normalize("NFKC", character) == character


def scripts(path: Path) -> Iterator[str]:
    """Yield the ranges of each script, joined where only unassigned characters are between them."""
    ranges: list[tuple[int, int, str]] = []
    for points, script in entries(path):
        ends = points.split("..")
        ranges.append((int(ends[0], 16), int(ends[-1], 16), script))
    joined: list[tuple[int, int, str]] = []
    for first, last, script in sorted(entry for entry in ranges if entry[2] not in ("Common", "Inherited")):
        if joined and joined[-1][2] == script and joined[-1][1] == first - 1:
            first = joined.pop()[0]
        joined.append((first, last, script))
    for first, last, script in joined:
        yield f"{first:X}..{last:X} {script}"


def lookalikes(path: Path) -> Iterator[str]:
    for source, target, *_ in entries(path):
        character = "".join(chr(int(point, 16)) for point in source.split())
        if len(character) == 1 and is_possible(character):
            yield f"{character} {''.join(chr(int(point, 16)) for point in target.split())}"


def main() -> None:
    folder = Path(sys.argv[1])
    version = (folder / "Scripts.txt").read_text(encoding="utf-8").partition("Scripts-")[2].partition(".txt")[0]
    sections = ["[scripts]", *scripts(folder / "Scripts.txt"), "", "[lookalikes]"]
    sections += lookalikes(folder / "confusables.txt")
    TARGET.write_text(NOTICE.format(version=version) + "\n".join(sections) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
