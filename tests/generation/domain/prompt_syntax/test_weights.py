"""Weighted prompts are read as Automatic1111's web UI reads them, and what is not understood is reported."""

import pytest

from generation.domain.prompt_syntax.weights import MAX_BREAKS, read_weights
from tests.costs import at_most


def pieces(text):
    return [[(one.text, round(one.weight, 3)) for one in chunk] for chunk in read_weights(text).chunks]


def problems(text):
    return [problem.id for problem in read_weights(text).problems]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a red circle", [("a red circle", 1)]),
        ("a (red:1.4) circle", [("a ", 1), ("red", 1.4), (" circle", 1)]),
        ("a (red : 1.4) circle", [("a ", 1), ("red ", 1.4), (" circle", 1)]),
        ("(red:1,4)", [("red", 1.4)]),
        ("(red:.5)", [("red", 0.5)]),
        ("(red)", [("red", 1.1)]),
        ("((red))", [("red", 1.21)]),
        ("[red]", [("red", 0.909)]),
        ("([red])", [("red", 1)]),
        ("(a (red:2) circle:0.5)", [("a ", 0.5), ("red", 1), (" circle", 0.5)]),
        ("(a red)(:2)", [("a red", 1.1)]),
        (r"a red \(circle\)", [("a red (circle)", 1)]),
        (r"(red\:1.4)", [("red:1.4", 1.1)]),
        (r"a \\ b", [("a \\ b", 1)]),
        (r"C:\new", [(r"C:\new", 1)]),
        ("(at 12:30 sharp)", [("at 12:30 sharp", 1.1)]),
        ("na(ked:1)", [("naked", 1)]),
        ("()", [("", 1)]),
        ("", [("", 1)]),
    ],
)
def test_brackets_weigh_what_is_in_them(text, found):
    assert pieces(text) == [found]
    assert problems(text) == []


def test_a_break_begins_a_chunk_and_keeps_the_weights_around_it():
    assert pieces("a red circle BREAK a meadow") == [[("a red circle", 1)], [("a meadow", 1)]]
    assert pieces("a (red BREAK blue:1.3) one") == [[("a ", 1), ("red", 1.3)], [("blue", 1.3), (" one", 1)]]
    assert pieces("BREAK BREAK a BREAK") == [[("a", 1)]]
    assert pieces("UNBREAKABLE") == [[("UNBREAKABLE", 1)]]


def test_the_plain_text_has_no_syntax():
    assert read_weights(r"a (red:1.4) [dark] BREAK \(small\) <lora:x:1>circle").plain == "a red dark (small) circle"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a (red circle", "bracket-alone"),
        ("a red) circle", "bracket-alone"),
        ("a [red:1.2) circle", "bracket-alone"),
        ("a red circle <lora:ink:0.8>", "lora-tag"),
        ("<LORA:ink>", "lora-tag"),
        ("<hypernet:ink:1>", "lora-tag"),
        ("a circle AND a square", "and-word"),
        ("(red:3.1)", "weight-range"),
        ("(red:-1)", "weight-range"),
        ("((red:2):2)", "weight-range"),
        ("(" * 12 + "red" + ")" * 12, "weight-range"),
        ("[red:blue:0.5]", "prompt-editing"),
        ("[red:10]", "prompt-editing"),
        ("[red|blue]", "prompt-editing"),
        ("[" * 21 + "red" + "]" * 21, "brackets-deep"),
        ("a BREAK " * (MAX_BREAKS + 1), "break-many"),
    ],
)
def test_what_is_not_understood_is_reported(text, problem):
    assert problem in problems(text)


def test_a_bracket_without_a_partner_is_text_and_does_not_hide_the_others():
    assert pieces("a :) (red:1.2) circle") == [[("a :) ", 1), ("red", 1.2), (" circle", 1)]]
    assert pieces("(red [blue:1.2)") == [[("red [blue", 1.2)]]
    assert problems("<3 a <red> circle, 2 < 3") == []


def test_weights_stay_within_their_bounds_whatever_is_written():
    found = [weight for text in ("(a:99)", "(a:-3)", "((((a:3):3):3):3)") for [(_, weight)] in pieces(text)]
    assert found == [3, 0, 3]
    assert len(pieces("a BREAK " * 100)) <= MAX_BREAKS + 1


@pytest.mark.parametrize("piece", ["(", ")", "()", "[a", "(a:1.2)", "<lora:", "\\", "([", "|", "BREAK ", "(a:", ":1"])
def test_a_hostile_prompt_takes_linear_time(piece):
    with at_most(5):  # 100 times what a request may have takes seconds, not minutes
        read_weights((piece * 100_000)[:100_000])


def test_white_space_is_read_once():
    """A run of it was read again from each of its characters, by every drawing of a template."""
    with at_most(1):
        for _drawing in range(50):
            read_weights("a" + " " * 998 + "b")
