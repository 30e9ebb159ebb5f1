"""Sweeps: how typed values are read, and the request of each combination."""

import pytest

from generation.requests import available
from generation.requests.request import InvalidRequest
from generation.requests.sweeps import MAX_VALUES, Axis, BadValues, Swept, read_axis, requests_of

PROMPT = "a red heart over the sea"
CHOSEN = {"prompt": PROMPT, "aspect": "1:1", "seconds": 2}


def read(swept: Swept, text: str) -> tuple:
    return read_axis(swept, text, PROMPT, available.offer()).values


@pytest.mark.parametrize(
    ("swept", "text", "values"),
    [
        (Swept.SEED, "1, 2,5", (1, 2, 5)),
        (Swept.SEED, "3-5, 9", (3, 4, 5, 9)),
        (Swept.SEED, "9-7, 3", (9, 8, 7, 3)),
        (Swept.SEED, "4-4, 9", (4, 9)),
        (Swept.STEPS, " 4 ; 8 ;", (4, 8)),
        (Swept.GUIDANCE, "5, 7.5", (5.0, 7.5)),
        (Swept.GUIDANCE, "5,7,9", (5.0, 7.0, 9.0)),
        (Swept.GUIDANCE, "5,7.5, 10", (5.0, 7.5, 10.0)),
        (Swept.GUIDANCE, "5; 7,5; 7.5", (5.0, 7.5)),
        (Swept.WORDS, "red → blue, green", ("red", "blue", "green")),
        (Swept.WORDS, "red -> blue", ("red", "blue")),
        (Swept.WORDS, "red, blue", ("red", "blue")),
        (Swept.WORDS, "red → blue, dark; green", ("red", "blue, dark", "green")),
    ],
)
def test_values_are_read_as_people_write_them(swept, text, values):
    assert read(swept, text) == values


def test_models_are_named_by_label_or_id_whatever_the_case():
    model = available.offer().models()[0]
    with pytest.raises(BadValues, match="at least two"):
        read(Swept.MODEL, f"{model.id.upper()}, {model.label}")


@pytest.mark.parametrize(
    ("swept", "text", "says"),
    [
        (Swept.SEED, "", "at least two"),
        (Swept.SEED, "7", "at least two"),
        (Swept.SEED, "7, 7", "at least two"),
        (Swept.SEED, "1, x", "not a whole number"),
        (Swept.SEED, "1, -5", "not a whole number"),
        (Swept.SEED, "1, ٣", "not a whole number"),
        (Swept.STEPS, "1, 2.5", "not a whole number"),
        (Swept.SEED, "0-9999999999", f"at most {MAX_VALUES}"),
        (Swept.SEED, "9999999999-0", f"at most {MAX_VALUES}"),
        (Swept.SEED, "1-٣", "not a whole number"),
        (Swept.GUIDANCE, "5, 7,5, 10", "such as 5; 7,5; 10"),
        (Swept.GUIDANCE, "1, nan", "not a number"),
        (Swept.GUIDANCE, "1, 1e999", "not a number"),
        (Swept.MODEL, "tiny, dragon", "no model “dragon”"),
        (Swept.WORDS, "dragon → cat", "not in the prompt"),
        (Swept.SEED, ",".join(map(str, range(MAX_VALUES + 1))), f"at most {MAX_VALUES}"),
    ],
)
def test_what_cannot_be_read_is_explained(swept, text, says):
    with pytest.raises(BadValues, match=says):
        read(swept, text)


def test_every_combination_is_a_request_row_by_row_with_one_seed():
    axes = [Axis(Swept.GUIDANCE, (3.0, 5.0)), Axis(Swept.WORDS, ("red", "blue", "green"))]
    found = requests_of(CHOSEN, axes, 9, available.offer())
    assert [(request.guidance, request.prompt.split()[1]) for request in found] == [
        (3.0, "red"), (5.0, "red"), (3.0, "blue"), (5.0, "blue"), (3.0, "green"), (5.0, "green"),
    ]  # fmt: skip
    assert {request.seed for request in found} == {9}


def test_words_are_replaced_whole_not_within_others():
    offer = available.offer()
    chosen = {**CHOSEN, "prompt": "a red heart, a tired bird, red-hot: red"}
    found = requests_of(chosen, [read_axis(Swept.WORDS, "red → blue", chosen["prompt"], offer)], 9, offer)
    assert [request.prompt for request in found] == [chosen["prompt"], "a blue heart, a tired bird, blue-hot: blue"]
    with pytest.raises(BadValues, match="not in the prompt"):
        read_axis(Swept.WORDS, "red → blue", "a tired bird", offer)
    assert read_axis(Swept.WORDS, "猫 → 犬", "赤い猫と海", offer).values == ("猫", "犬")
    chosen["prompt"] = "fire & ice (v1.5), 100%"
    (_asked, request) = requests_of(chosen, [read_axis(Swept.WORDS, "(v1.5) → \\1", chosen["prompt"], offer)], 9, offer)
    assert request.prompt == "fire & ice \\1, 100%"


def test_a_chosen_seed_and_a_swept_one_are_kept():
    offer = available.offer()
    steps = [Axis(Swept.STEPS, (3, 4))]
    assert {request.seed for request in requests_of({**CHOSEN, "seed": 0}, steps, 9, offer)} == {0}
    seeds = requests_of({**CHOSEN, "seed": 5}, [Axis(Swept.SEED, (1, 2))], 9, offer)
    assert [request.seed for request in seeds] == [1, 2]


def test_every_model_gets_an_adapter_that_fits_it():
    offer = available.offer()
    models = [model.id for model in offer.catalogue.models.values()][:3]
    found = requests_of(CHOSEN, [Axis(Swept.MODEL, tuple(models))], 9, offer)
    assert [request.model for request in found] == models
    for request in found:
        assert offer.catalogue.models[request.model].compatible(offer.catalogue.adapters[request.motion_adapter])


def test_one_that_cannot_be_rendered_refuses_all():
    with pytest.raises(InvalidRequest, match="between 1 and 100"):
        requests_of(CHOSEN, [Axis(Swept.STEPS, (5, 500))], 9, available.offer())
