"""The check of `type: ignore` comments passes on this tree and detects incomplete ones."""

from pathlib import Path

import pytest

from scripts.check_type_ignores import check, incomplete

ROOT = Path(__file__).resolve().parents[2]
MARK = "# type: " + "ignore"  # split, so that this file contains none


def test_every_ignore_in_the_tree_names_its_error_and_its_reason():
    assert check(ROOT) == []


def test_a_folder_without_sources_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="holds none"):
        check(tmp_path)


@pytest.mark.parametrize(
    "comment",
    [
        MARK,
        f"{MARK}  # the stubs leave it out",
        f"{MARK}[misc]",
        f"{MARK}[misc]  # noqa",
        f"{MARK}[misc] the stubs leave it out",
        f"{MARK}[]  # the stubs leave it out",
        f"{MARK.replace(': ', ':')}[misc]  # the stubs leave it out",
        "# mypy: " + "ignore-errors",
        "# mypy: " + 'disable-error-code="misc"',
    ],
)
def test_an_ignore_that_says_too_little_is_found(tmp_path, comment):
    assert list(incomplete(f"x = 1\ny = f()  {comment}\n")) == [(2, comment)]
    (tmp_path / "gallery").mkdir()
    (tmp_path / "gallery" / "planted.py").write_text(f"x = 1\ny = f()  {comment}\n")
    assert check(tmp_path) == [f"gallery/planted.py:2 {comment}"]


@pytest.mark.parametrize(
    "line",
    [
        f"y = f()  {MARK}[misc]  # the stubs leave it out",
        f"y = f()  {MARK}[arg-type, misc]  # the stubs leave it out",
        f"y = f()  # noqa: S101  {MARK}[misc]  # the stubs leave it out",
        f'y = "{MARK}"',
    ],
)
def test_a_complete_one_and_a_text_are_let_pass(line):
    assert list(incomplete(f"{line}\n")) == []
