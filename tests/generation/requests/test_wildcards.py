"""The operator's lists: files of options, bounded, that may name each other."""

import os

import pytest

from generation.domain.prompt_syntax.problems import BadTemplate
from generation.domain.prompt_syntax.templates import drawings, read_template
from generation.requests import wildcards
from generation.requests.wildcards import Wildcards
from tests.costs import at_most


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "colours.txt").write_text("\ufeff# mine\nred\n\n  deep   blue \n")
    (tmp_path / "things").mkdir()
    (tmp_path / "things" / "all.txt").write_text("a __colours__ {circle|square}\nnothing\n")
    return tmp_path


def drawn(text, folder):
    return set(drawings(read_template(text, Wildcards(folder)), 100))


def test_a_list_gives_its_lines(folder):
    assert drawn("a __colours__ heart", folder) == {"a red heart", "a deep blue heart"}


def test_lists_are_templates_and_name_others(folder):
    assert drawn("__things/all__", folder) == {
        *("a red circle", "a red square", "a deep blue circle", "a deep blue square", "nothing")
    }


def test_a_list_is_what_it_is_now(folder):
    assert len(drawn("__colours__", folder)) == 2
    path = folder / "colours.txt"
    path.write_text("green\n")
    os.utime(path, ns=(1, 1))
    assert drawn("__colours__", folder) == {"green"}


@pytest.mark.parametrize("name", ["none", "../secret", "things/../colours", "/etc/passwd", "things", "a\0b", ""])
def test_what_is_no_list_is_refused_or_text(folder, name):
    (folder.parent / "secret.txt").write_text("secret")
    try:
        assert drawn(f"__{name}__", folder) == {f"__{name}__"}
    except BadTemplate as error:
        assert error.problem.id == "list-unknown"


@pytest.mark.parametrize("name", ["circle", "deep-1"])
def test_lists_in_a_circle_or_too_deep_are_refused(folder, name):
    (folder / "circle.txt").write_text("a\n__circle__\n")
    for number in range(1, 7):
        (folder / f"deep-{number}.txt").write_text(f"__deep-{number + 1}__\n")
    with pytest.raises(BadTemplate) as refused:
        drawn(f"__{name}__", folder)
    assert refused.value.problem.id == "list-deep"


def test_lists_that_multiply_each_other_without_end_are_refused(folder):
    for number in range(3):
        (folder / f"many-{number}.txt").write_text(f"{f'__many-{number + 1}__' * 40}\nb\n")
    (folder / "many-3.txt").write_text("\n".join(f"{'{a|b}' * 90}" for _line in range(100)))
    with pytest.raises(BadTemplate) as refused:
        drawn("__many-0__", folder)
    assert refused.value.problem.id == "choice-large"


def test_lists_of_one_line_each_do_not_grow_without_end(folder):
    """They have a single drawing, of 50 billion characters."""
    for number in range(3):
        (folder / f"one-{number}.txt").write_text(f"__one-{number + 1}__ " * 45)
    (folder / "one-3.txt").write_text("x" * 500)
    with pytest.raises(BadTemplate) as refused:
        read_template("__one-0__" * 10, Wildcards(folder))
    assert refused.value.problem.id == "choice-large"


def test_a_list_is_read_once_for_all_requests(folder):
    (folder / "colours.txt").write_text("\n".join(f"{{dark|light}} {number}" for number in range(10_000)))
    first = Wildcards(folder)("colours")
    with at_most(2):
        assert [Wildcards(folder)("colours").count for _request in range(20)] == [first.count] * 20 == [20_000] * 20


def test_a_pipe_is_not_waited_for(folder):
    os.mkfifo(folder / "pipe.txt")
    with pytest.raises(BadTemplate):
        drawn("__pipe__", folder)


def test_large_files_and_long_lines_are_left_out(folder, monkeypatch):
    monkeypatch.setattr(wildcards, "MAX_LINES", 2)
    (folder / "colours.txt").write_text("red\n" + "x" * (wildcards.MAX_LINE + 1) + "\nblue\ngreen\n")
    assert drawn("__colours__", folder) == {"red", "blue"}
    (folder / "large.txt").write_text("a\n" * wildcards.MAX_BYTES)
    with pytest.raises(BadTemplate):
        drawn("__large__", folder)
