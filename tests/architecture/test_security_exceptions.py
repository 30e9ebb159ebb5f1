"""Whatever breaks one of ruff's rules about security says why it may."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("accounts", "auravideo", "deploy", "gallery", "generation", "scripts", "workers")
EXCEPTION = re.compile(r"#\s*noqa:\s*(S\d+(?:,\s*\w+)*)(.*)")


def unexplained(text: str) -> list[str]:
    """Return the rules that a module breaks without giving a reason on the same line."""
    found = (EXCEPTION.search(line) for line in text.splitlines())
    return [match[1] for match in found if match and len(match[2].strip(" #-")) < 8]


def test_every_exception_has_a_reason():
    paths = [path for package in PACKAGES for path in (ROOT / package).rglob("*.py")]
    texts = {str(path.relative_to(ROOT)): path.read_text() for path in paths}
    assert sum(len(EXCEPTION.findall(text)) for text in texts.values()) > 20, "the exceptions were not found"
    assert {path: found for path, text in texts.items() if (found := unexplained(text))} == {}


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("run(x)  # noqa: S603", ["S603"]),
        ("run(x)  # noqa: S603, S607", ["S603, S607"]),
        ("run(x)  # noqa: S603  our own program", []),
        ("run(x)  # noqa: E501", []),
    ],
)
def test_an_exception_without_a_reason_is_seen(line, found):
    assert unexplained(line) == found
