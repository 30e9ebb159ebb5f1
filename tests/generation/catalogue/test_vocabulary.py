"""A small vocabulary finds the words of a prompt that will have no effect."""

import json

import pytest

from generation.catalogue.load import load_catalogue
from generation.catalogue.vocabulary import MOST_UNKNOWN, Vocabulary, load_vocabulary, read_prompt, tell, warnings
from generation.domain.errors import warning_text

SMALL = Vocabulary(
    {
        "shape": {"circle": ["circle", "ball"], "cross": ["plus sign"]},
        "motion": {"left": ["moving left", "moves left"]},
    },
    ["a", "the", "over", "high quality"],
)


def tiny():
    return load_catalogue().models["tiny"]


def test_a_prompt_of_known_words_is_read_whole():
    reading = SMALL.read("A ball, moving left over the PLUS SIGN. High quality!")
    assert (reading.unknown, reading.unsaid) == ((), ())


def test_unknown_words_are_named_once_in_their_order():
    assert SMALL.read("a corgi over a circle, walking corgi").unknown == ("corgi", "walking")


def test_a_misspelt_word_gets_a_guess():
    reading = SMALL.read("a cirlce")
    assert reading.guesses == {"cirlce": "circle"}
    assert tell(reading) == "cirlce (circle?)"


def test_an_attribute_counts_as_said_only_when_a_whole_phrase_says_it():
    assert SMALL.read("a sign that moves").unsaid == ("shape", "motion")
    assert SMALL.read("ball").unsaid == ("motion",)


def test_hyphens_between_known_words_do_no_harm():
    assert SMALL.read("a ball-circle").unknown == ()
    assert SMALL.read("a ball-corgi").unknown == ("ball-corgi",)


def test_other_scripts_and_no_words_at_all_are_read():
    assert SMALL.read("漢字 🎈").unknown == ("漢字",)
    assert SMALL.read("… 🎈").unknown == ()


def test_a_flood_of_unknown_words_is_told_in_short():
    reading = SMALL.read(" ".join(f"word{letter}" for letter in "abcdefghijklmnop"))
    assert tell(reading).count(",") == MOST_UNKNOWN
    assert tell(reading).endswith("…")


def test_the_model_that_ships_knows_its_own_examples_and_says_what_it_does_not():
    assert read_prompt("a large red heart rising over the sea", tiny(), "").unknown == ()
    found = warnings("a corgi walking on the street, cinematic", tiny(), "")
    assert [warning["id"] for warning in found] == ["words-unknown", "shape-unsaid"]
    texts = [warning_text(warning) for warning in found]
    assert "corgi, walking, street" in texts[0]
    assert "heart" in texts[1]


def test_a_model_without_a_vocabulary_is_taken_to_know_every_word():
    model = load_catalogue().models["epicrealism"]
    assert read_prompt("a corgi", model, "") is None
    assert warnings("a corgi", model, "") == []


@pytest.mark.parametrize("content", ["{}", "[]", '{"attributes": 3, "other": []}', "no json"])
def test_a_broken_vocabulary_is_refused(tmp_path, content):
    path = tmp_path / "vocabulary.json"
    path.write_text(content)
    with pytest.raises(ValueError, match=r"vocabulary|Expecting"):
        load_vocabulary(path)


def test_a_vocabulary_is_read_from_its_file(tmp_path):
    path = tmp_path / "vocabulary.json"
    path.write_text(json.dumps({"attributes": {"shape": {"circle": ["disc"]}}, "other": ["a"]}))
    assert load_vocabulary(path).read("a disc").unknown == ()
