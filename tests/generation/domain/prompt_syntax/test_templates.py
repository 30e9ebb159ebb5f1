"""Templates: what a seed draws, and that seeds in a row draw everything before they repeat anything."""

import contextlib

import pytest

from generation.domain.prompt_syntax.problems import BadTemplate
from generation.domain.prompt_syntax.templates import Choice, Text, draw, drawings, read_template
from tests.costs import at_most

COLOURS = {"colour": Choice((Text("red"), Text("blue"), Text("green")))}


def drawn(text, count=None, begin=0, lists=COLOURS.__getitem__):
    template = read_template(text, lists)
    return [draw(template, begin + seed) for seed in range(count or template.count)]


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("{red|blue}", 2),
        ("a {red|blue} {circle|square} on {black|white|grey}", 12),
        ("{red|dark {blue|green}}", 3),
        ("{a|{b|{c|d}}} {x|y}", 8),
        ("{2$$a|b|c}", 3),
        ("{1-2$$ and $$a|b|c}", 6),
        ("{a|}", 2),
        ("a __colour__ {circle|__colour__ square}", 12),
    ],
)
@pytest.mark.parametrize("begin", [0, 5, 4_000_000_000])
def test_as_many_seeds_as_there_are_drawings_give_each_once(text, count, begin):
    assert read_template(text, COLOURS.__getitem__).count == count
    assert len(set(drawn(text, begin=begin))) == count


@pytest.mark.parametrize("begin", range(8))
def test_every_option_has_its_turn_before_one_is_repeated(begin):
    found = drawn("{a|b|c|d} {x|y}", 4, begin)
    assert {one[0] for one in found} == set("abcd")
    assert {one[-1] for one in found} == set("xy")
    first, second = drawn("{red|blue} {circle|square}", 2, begin - begin % 2)
    assert not {*first.split()} & {*second.split()}, "both choices change"


def test_a_seed_draws_the_same_again():
    text = "{a|b|c|d|e|f|g}" * 40
    assert drawn(text, 50) == drawn(text, 50)
    found = drawn(text, 50)
    assert len(set(found)) == 50
    for place in range(0, 40, 13):
        assert len({one[place] for one in found}) == 7, "not only the first choices change from seed to seed"


@pytest.mark.parametrize(
    "text", ["a {nice} circle", "a { circle", "a } circle", "a | b", r"\{a\|b\}", "f(x) = __x", "__ a"]
)
def test_what_is_no_choice_is_text(text):
    assert drawn(text) == [text]


def test_what_was_drawn_can_be_read_again_and_is_the_same():
    for text in (r"{\{a\|b\}|c}", "{ {x} |{y|z}}", "{{a|b}}", r"\__colour__", "{a|b} }{ c"):
        for one in drawn(text):
            assert drawn(one) == [one]


def test_the_parts_that_are_taken_are_joined():
    assert drawn("{2$$red|blue}") == ["red, blue"]
    assert set(drawn("{2$$ and $$a|b|c}")) == {"a and b", "a and c", "b and c"}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a {red|blue circle", "choice-open"),
        ("a {red|{blue|green} circle", "choice-open"),
        ("{a|" * 9 + "b" + "}" * 9, "choice-deep"),
        ("{3$$a|b}", "choice-count"),
        ("{0$$a|b}", "choice-count"),
        ("{8$$" + "|".join("abcdefghijklmnop") + "}", "choice-many"),
        ("{1-8$$a|b|c|d|e|f|g|h} " * 3, "choice-many"),
        ("a __shade__ circle", "list-unknown"),
    ],
)
def test_what_cannot_be_drawn_is_reported(text, problem):
    with pytest.raises(BadTemplate) as refused:
        drawn(text)
    assert refused.value.problem.id == problem


def test_without_lists_their_names_are_text():
    assert drawn("a __shade__ circle", lists=None) == ["a __shade__ circle"]


@pytest.mark.parametrize("piece", ["{", "}", "{a|b}", "|", "{a|", "__a", "\\", "{1$$", "{2$$a|b|c}"])
def test_a_hostile_template_takes_linear_time(piece):
    text = (piece * 100_000)[:100_000]
    with at_most(10), contextlib.suppress(BadTemplate):
        assert list(drawings(read_template(text), 2))
