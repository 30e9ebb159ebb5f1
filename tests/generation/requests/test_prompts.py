"""What a model is given of a prompt, and what is said of the rest before anything is queued."""

import pytest

from generation.catalogue.load import load_catalogue
from generation.domain.errors import warning_text
from generation.domain.plan import plan
from generation.domain.prompt_syntax.problems import HARMLESS
from generation.requests import prompts
from generation.requests.limits import Limits
from generation.requests.request import InvalidRequest, parse
from tests.generation.catalogue.test_other_families import WAVES

TRAVEL = "0: a red circle | 1s: a blue circle"


@pytest.fixture
def catalogue(tmp_path):
    """Return our catalogue with a model that makes clips without AnimateDiff."""
    file = tmp_path / "mine.toml"
    file.write_text(WAVES)
    return load_catalogue(file)


def errors(catalogue, **values):
    with pytest.raises(InvalidRequest) as refused:
        parse({"prompt": "a heart", **values}, catalogue, Limits())
    return {field: [str(text) for text in texts] for field, texts in refused.value.errors.items()}


@pytest.mark.parametrize("field", ["prompt", "negative_prompt"])
@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a (red:7) circle", "A weight must be between 0 and 3, and (red:7) weighs 7."),
        ("a {red|blue circle", "} is missing"),
        ("a {red|(blue:7)} circle", "(blue:7) weighs 7"),
        ("a [red:blue:0.5] circle", "[red:blue:0.5] would change the prompt while a picture is made"),
        ("0: a | 3s: b", "The time 3s is beyond the end of the clip, which is 2 s long."),
        ("0: a | 1: b", "the model makes a frame every 0.125 s"),
        ("0: a | 1s: b | c", "“c” has none"),
        ("{3$$a|b}", "3$$ cannot be taken out of 2 options."),
    ],
)
def test_what_cannot_be_rendered_is_refused_with_its_reason(catalogue, field, text, told):
    (found,) = errors(catalogue, **{field: text})[field]
    assert told in found


def test_every_text_is_written_for_what_it_reports(catalogue):
    model = catalogue.models["tiny"]
    assert prompts.TEXTS.keys().isdisjoint(HARMLESS)
    for text in prompts.TEXTS.values():
        assert str(text)[-1] in ".:"
    assert prompts.faults("a red circle", model, 2, 24) == []


def test_times_are_judged_by_the_clip_that_was_asked_for(catalogue):
    assert parse({"prompt": "0: a | 3s: b", "seconds": 3}, catalogue, Limits())
    assert parse({"prompt": "0: a | 16: b", "fps": 8}, catalogue, Limits())
    assert "prompt" in errors(catalogue, prompt="0: a | 17: b", fps=8)
    assert errors(catalogue, prompt="0: a | 3s: b", seconds="x").keys() == {"seconds"}


def test_a_model_that_cannot_change_a_prompt_says_so(catalogue):
    assert parse({"prompt": TRAVEL}, catalogue, Limits())
    (text,) = errors(catalogue, prompt=TRAVEL, model="waves")["prompt"]
    assert text.startswith("The model Waves cannot change the prompt within a clip.")


def told(text, model):
    return [warning_text(warning) for warning in prompts.warnings(text, model)]


def test_what_has_no_effect_is_told_and_does_not_keep_a_prompt_from_being_rendered(catalogue):
    tiny, waves = catalogue.models["tiny"], catalogue.models["waves"]
    text = "a red circle <lora:add_detail:0.8> :)"
    assert parse({"prompt": text}, catalogue, Limits()).prompt == text
    assert [warning["id"] for warning in prompts.warnings(text, tiny)] == ["bracket-alone", "lora-tag"]
    bracket, lora = told(text, tiny)
    assert "Write \\) if" in bracket
    assert "<lora:add_detail:0.8> has no effect" in lora
    assert told("a (red:1.2) circle", tiny) == []
    (unread,) = told("a (red:1.2) circle", waves)
    assert "The model Waves does not read weights" in unread
    assert told("a red circle", waves) == []
    assert [warning["id"] for warning in prompts.warnings("{a AND b|c <lora:x>}", tiny)] == ["and-word", "lora-tag"]


def test_animatediff_reads_the_syntax_and_others_get_words(catalogue):
    tiny, waves = catalogue.models["tiny"], catalogue.models["waves"]

    def given(text, model):
        return prompts.for_engine(text, model, plan(parse({"prompt": "a heart"}, catalogue, Limits()), tiny))

    for text in ("a red circle", "a (red:1.2) circle BREAK \\(b\\)", "a {nice} circle"):
        assert given(text, tiny) == text
    assert given(TRAVEL, tiny) == "0%: a red circle | 50%: a blue circle"
    assert given("a red circle, (small)", waves) == "a red circle, small"
    assert given("a (red:1.2) circle BREAK a \\(b\\)", waves) == "a red circle a (b)"
    assert given("a red | blue circle", waves) == "a red | blue circle"


def test_the_words_of_a_prompt_are_those_of_all_its_options_and_parts():
    assert prompts.plain("a (red:1.2) circle") == "a red circle"
    assert prompts.plain("a {red|(blue:1.2)} circle") == "a red circle, a blue circle"
    assert prompts.plain(TRAVEL) == "a red circle, a blue circle"
    assert prompts.plain("a {red|blue circle") == "a {red|blue circle"
