"""Parsing of tags as users type them."""

import pytest

from gallery.sharing.forms import TagsForm
from gallery.sharing.tags import one, read


@pytest.mark.parametrize(
    ("text", "tags"),
    [
        ("", ()),
        (" , ,, ", ()),
        ("Sea, night loop", ("sea", "night", "loop")),
        ("#sea;#night", ("sea", "night")),
        ("sea SEA Sea", ("sea",)),
        ("slow-motion 8mm", ("slow-motion", "8mm")),
        ("morze wschód-słońca 夜", ("morze", "wschód-słońca", "夜")),
        ("ｓｅａ", ("sea",)),  # full-width letters are letters
    ],
)
def test_tags_are_split_at_commas_and_spaces_and_lower_cased(text, tags):
    found = read(text)
    assert (found.tags, found.malformed, found.too_long) == (tags, (), ())


@pytest.mark.parametrize("word", ["-sea", "sea-", "a--b", "a_b", "<b>", "sea!", "a/b", "#", "##sea", "🌊", "a\0b"])
def test_a_malformed_tag_is_named(word):
    found = read(f"night {word}")
    assert found.tags == ("night",)
    assert found.malformed == (() if word == "#" else (word.removeprefix("#"),))


def test_a_tag_has_thirty_characters_at_most():
    assert read("x" * 30).tags == ("x" * 30,)
    assert read("x" * 31).too_long == ("x" * 31,)


@pytest.mark.parametrize(
    ("text", "tag"), [("sea", "sea"), ("#Sea", "sea"), ("sea night", ""), ("", ""), ("a!", ""), ("x" * 31, "")]
)
def test_an_address_names_one_tag_or_none(text, tag):
    assert one(text) == tag


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("sea <b>", "“<b>” cannot be a tag"),
        ("x" * 31, "is longer than 30 characters"),
        (" ".join(f"t{n}" for n in range(11)), "These are 11 tags; at most 10"),
        ("x" * 401, "at most 400 characters"),
    ],
)
def test_errors_are_shown_at_the_field(text, error):
    form = TagsForm({"tags": text})
    assert not form.is_valid()
    assert any(error in said for said in form.errors["tags"])


def test_ten_tags_are_fine():
    form = TagsForm({"tags": ", ".join(f"t{n}" for n in range(10))})
    assert form.is_valid()
    assert len(form.cleaned_data["tags"]) == 10
