"""Parsing: any input becomes a valid request or a clear message at the offending field."""

import json
import math
import string
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from auravideo.core.media.formats import FORMATS
from generation.catalogue.load import load_catalogue
from generation.requests.fields import FPS, MAX_GUIDANCE, MAX_PROMPT, MAX_SEED, MAX_STEPS
from generation.requests.request import MOST_TOLD, InvalidRequest, Limits, RenderRequest, parse

CATALOGUE = load_catalogue()
PROMPT = "a red heart rising over the sea"
LIMITS = Limits()
LIGHTNING = {"model": "epicrealism", "motion_adapter": "animatediff-lightning-4step"}
WITH_LORAS = {"model": "epicrealism", "motion_adapter": "animatediff-v1-5-2"}


def ask(limits=LIMITS, **changes) -> RenderRequest:
    return parse({"prompt": PROMPT, **changes}, CATALOGUE, limits)


def errors_of(limits=LIMITS, **changes) -> dict[str, list[str]]:
    with pytest.raises(InvalidRequest) as refused:
        ask(limits, **changes)
    return {field: [str(text) for text in texts] for field, texts in refused.value.errors.items()}


def assert_refused(field: str, value, *, says: str = "", **changes) -> None:
    """Assert that exactly one message is reported, at the given field."""
    errors = errors_of(**{**changes, field: value})
    assert list(errors) == [field]
    assert len(errors[field]) == 1
    text = errors[field][0]
    assert text[0].isupper()
    assert text.endswith(".")
    assert "%(" not in text
    assert says in text


def test_a_prompt_is_enough_and_the_rest_defaults_to_the_model():
    tiny = CATALOGUE.models["tiny"]
    assert ask() == RenderRequest(
        prompt=PROMPT,
        negative_prompt="",
        width=256,
        height=256,
        seconds=2,
        fps=24,
        format="mp4",
        model="tiny",
        motion_adapter=tiny.adapter,
        motion_loras=(),
        steps=tiny.steps,
        guidance=tiny.guidance,
        seed=None,
        quality="",
    )


@pytest.mark.parametrize("value", ["draft", "mine"])
def test_the_old_name_of_a_field_means_the_same(value):
    assert ask(preset=value) == ask(quality=value)
    old = {**ask().to_dict(), "preset": value}
    del old["quality"]
    assert RenderRequest.from_dict(old) == ask(quality=value)


def test_messages_name_a_field_as_it_was_written():
    assert list(errors_of(preset="\x07")) == ["preset"]
    assert list(errors_of(preset="mine", quality="draft")) == ["preset"]


def test_empty_and_missing_mean_not_given():
    blank = dict.fromkeys(("negative_prompt", "width", "height", "seconds", "fps", "format", "model", "seed"), "")
    assert ask(**blank) == ask() == ask(steps=None, guidance=None, motion_loras=None, size=None)


def test_a_distilled_adapter_brings_its_own_steps_and_guidance():
    adapter = CATALOGUE.adapters[LIGHTNING["motion_adapter"]]
    request = ask(**LIGHTNING)
    assert (request.steps, request.guidance) == (adapter.steps, adapter.guidance)
    assert ask(**LIGHTNING, steps=8, guidance=2).steps == 8


@pytest.mark.parametrize(("own", "expected"), [({"guidance": None}, (4, 7.5)), ({"steps": None}, (25, 1.0))])
def test_what_a_distilled_adapter_leaves_open_is_the_models(own, expected):
    model, adapter = LIGHTNING["model"], LIGHTNING["motion_adapter"]
    changed = replace(CATALOGUE.adapters[adapter], **own)
    catalogue = replace(CATALOGUE, adapters={**CATALOGUE.adapters, adapter: changed})
    assert (CATALOGUE.models[model].steps, CATALOGUE.models[model].guidance) != expected
    request = parse({"prompt": PROMPT, **LIGHTNING}, catalogue, LIMITS)
    assert (request.steps, request.guidance) == expected


@pytest.mark.parametrize("model", CATALOGUE.models)
def test_every_model_of_the_catalogue_can_be_asked_for_with_nothing_but_its_name(model):
    assert ask(model=model, size="512x512").motion_adapter == (CATALOGUE.models[model].adapter or "")


def test_the_edges_of_every_range_are_allowed():
    request = ask(seconds=10, fps=32, steps=MAX_STEPS, guidance=MAX_GUIDANCE, seed=MAX_SEED, width=128, height=2048)
    assert (request.seconds, request.steps, request.guidance, request.seed) == (10, 100, 30.0, 2**32 - 1)
    assert ask(seconds=1, fps=8, steps=1, guidance=0, seed=0).seed == 0


@pytest.mark.parametrize("fps", FPS)
@pytest.mark.parametrize("format", FORMATS)
def test_every_rate_and_format_that_is_offered_is_allowed(fps, format):
    assert (ask(fps=fps, format=format).fps, ask(fps=str(fps), format=format).format) == (fps, format)


# --- Prompts -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "prompt", ["", None, "   ", "\n\t ", "\u200b\u200b", "\u2060", "\ufeff", "\u00a0", "\u200e \u2028"]
)
def test_an_invisible_prompt_is_empty(prompt):
    assert_refused("prompt", prompt, says="Describe what the clip should show")


def test_a_request_without_a_prompt_is_refused():
    with pytest.raises(InvalidRequest) as refused:
        parse({}, CATALOGUE, LIMITS)
    assert list(refused.value.errors) == ["prompt"]


@pytest.mark.parametrize("field", ["prompt", "negative_prompt"])
def test_ten_thousand_characters_are_too_many_and_the_limit_itself_is_not(field):
    assert_refused(field, "x" * 10_000, says="At most 1000 characters are allowed; this has 10000")
    assert_refused(field, "x" * (MAX_PROMPT + 1))
    assert len(getattr(ask(**{field: "x" * MAX_PROMPT}), field)) == MAX_PROMPT


NOT_TEXT = {
    "NUL": "\x00",
    "bell": "\x07",
    "backspace": "\x08",
    "vertical tab": "\x0b",
    "escape": "\x1b[2J",
    "delete": "\x7f",
    "C1 control": "\x9b",
    "lone high surrogate": "\ud83d",
    "lone low surrogate": "\udc80",
}


@pytest.mark.parametrize("characters", NOT_TEXT.values(), ids=NOT_TEXT.keys())
@pytest.mark.parametrize("field", ["prompt", "negative_prompt", "quality"])
def test_control_and_hidden_characters_are_refused(field, characters):
    assert_refused(field, f"a red{characters}heart", says="control characters")


@pytest.mark.parametrize("marks", ["\u202a{}\u202c", "\u2068{}\u2069", "\ufeff{}", "\u202e{}"])
def test_the_marks_that_chat_programs_put_around_what_is_copied_are_dropped(marks):
    request = ask(prompt=marks.format("a red heart"), seed=marks.format("7"), guidance=marks.format("7.5"))
    assert (request.prompt, request.seed, request.guidance) == ("a red heart", 7, 7.5)
    assert_refused("prompt", marks.format(" "), says="Describe what the clip should show")


@pytest.mark.parametrize(
    "prompt", ["zażółć gęślą jaźń", "赤いハート", "قلب أحمر", "❤️ 👩‍🚀", "a\theart\nover the sea", "שלום\u200f"]
)
def test_text_in_any_language_is_kept_unchanged(prompt):
    assert ask(prompt=prompt).prompt == prompt


def test_white_space_around_a_prompt_is_not_part_of_it():
    assert ask(prompt="  a heart \n").prompt == "a heart"


@pytest.mark.parametrize("value", [5, 0, True, ["a heart"], {"text": "a heart"}, b"a heart", 1.5])
@pytest.mark.parametrize("field", ["prompt", "negative_prompt", "quality"])
def test_a_prompt_must_be_text(field, value):
    assert_refused(field, value, says="must be text")


# --- Numbers -----------------------------------------------------------------------------------------------------

NO_WHOLE_NUMBER = (
    *("abc", "1.5", "1e2", "0x10", "1_0", "٣", "２", "½", "²", "1 2", "--1", "+-1", "nan", "inf", "-inf", "1e400"),
    *(True, False, 1.5, math.nan, math.inf, -math.inf, [2], {"n": 2}, (2,), b"2", "2\x00", "9" * 5000),
)


@pytest.mark.parametrize("value", NO_WHOLE_NUMBER, ids=lambda value: repr(value)[:20])
@pytest.mark.parametrize("field", ["seconds", "steps", "seed"])
def test_values_that_are_not_integers_are_refused(field, value):
    assert_refused(field, value, says="must be a whole number")


@pytest.mark.parametrize("value", ["24", " 24 ", 24, 24.0, "24.0", "24.00"])
def test_a_whole_number_may_come_as_text_or_as_spreadsheets_write_it(value):
    assert (ask(steps=value).steps, ask(fps=value).fps) == (24, 24)
    assert isinstance(ask(steps=value).steps, int)


OUT_OF_RANGE = {
    "seconds": (0, -1, 11, 100, "100", 10**18, "1" * 30, 1e300, 10**400),
    "steps": (0, -1, 101, 10**18, -(10**400)),
    "seed": (-2, 2**32, 10**18, 1e300),
    "guidance": (-0.1, -1, 30.5, 1e300, "1e300", "-5"),
}


@pytest.mark.parametrize(
    ("field", "value"),
    [(field, value) for field, values in OUT_OF_RANGE.items() for value in values],
    ids=lambda value: repr(value)[:20],
)
def test_a_number_out_of_range_is_refused_with_the_range(field, value):
    assert_refused(field, value, says="must be between")


NO_NUMBER = (
    *("abc", "nan", "NaN", "inf", "-Infinity", "1e400", "7,5,5", "1_0", "٣", "７", "0x7", "", " "),
    *(math.nan, math.inf, -math.inf, True, False, [7], {"n": 7}, 10**400, b"7"),
)


@pytest.mark.parametrize("value", [value for value in NO_NUMBER if value != ""], ids=lambda value: repr(value)[:20])
def test_non_numeric_guidance_is_refused(value):
    assert_refused("guidance", value, says="must be a number")


@pytest.mark.parametrize("value", ["7.5", 7.5, " 7.5 ", "75e-1", "+7.5"])
def test_guidance_may_be_any_number_in_range(value):
    assert ask(guidance=value).guidance == 7.5


@pytest.mark.parametrize("fps", [7, 0, -8, 12, 31, 48, 60, "7", "abc", True, 24.5, math.nan, math.inf, [24], 10**400])
def test_a_rate_that_is_not_offered_is_refused_with_those_that_are(fps):
    assert_refused("fps", fps, says="must be one of: 8, 16, 24, 25, 30, 32")


@pytest.mark.parametrize("format", ["avi", "MP4", ".mp4", 5, True, ["mp4"], {"a": 1}, "mp4\x00", "../mp4"])
def test_a_format_that_is_not_offered_is_refused_with_those_that_are(format):
    assert_refused("format", format, says="must be one of: mp4, webm, gif")


# --- Sizes -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", ["384x256", "384×256", " 384 x 256 ", "0384x256"])
def test_a_size_may_be_written_in_one(size):
    assert (ask(size=size).width, ask(size=size).height) == (384, 256)


@pytest.mark.parametrize(
    "size",
    [
        "256",
        "256*256",
        "x",
        "256x",
        "x256",
        "256x256x256",
        "-256x256",
        "256.0x256",
        "1e3x256",
        "9" * 9 + "x256",
        5,
        True,
        [256, 256],
        "a" * 10_000,
    ],
)
def test_a_size_that_cannot_be_read_is_refused_with_an_example(size):
    assert_refused("size", size, says="A size looks like this: 256x256")


@pytest.mark.parametrize("size", ["0x0", "126x256", "257x256", "4096x256", "99999x99999"])
def test_a_size_that_is_too_small_too_large_or_odd_is_refused_once_at_the_size(size):
    assert_refused("size", size, says="even number of pixels between 128 and 2048")


def test_both_sides_are_refused_each_at_its_own_field():
    assert {field: len(texts) for field, texts in errors_of(width=1, height=1).items()} == {"width": 1, "height": 1}


def test_digits_of_other_scripts_are_no_size():
    assert list(errors_of(size="２５６x２５６")) == ["size"]


@pytest.mark.parametrize(
    "side", [0, -256, 126, 127, 129, 2050, 10**18, 10**400, 256.5, math.nan, math.inf, True, "abc", [256], "２５６"]
)
@pytest.mark.parametrize("field", ["width", "height"])
def test_a_side_must_be_even_and_within_the_limits(field, side):
    assert_refused(field, side, says="even number of pixels between 128 and 2048")


def test_a_size_and_a_side_contradict_each_other():
    assert list(errors_of(size="256x256", width=256)) == ["size"]


def test_what_the_model_cannot_reach_is_refused_at_the_shorter_side_with_what_it_can():
    assert "at most 512" in errors_of(width=1024, height=514)["height"][0]
    assert "at most 512" in errors_of(width=514, height=1024)["width"][0]
    assert "at most 512" in errors_of(size="1024x1024")["size"][0]
    assert ask(width=2048, height=512).width == 2048


def test_the_operators_limits_hold():
    limits = Limits(max_side=512, max_seconds=4)
    assert list(errors_of(limits, seconds=5, width=514)) == ["width", "seconds"]
    assert ask(limits, seconds=4, width=512).seconds == 4


@pytest.mark.parametrize("limits", [Limits(128, 1), Limits(199, 1)])
def test_what_is_not_given_keeps_to_the_operators_limits(limits):
    request = ask(limits)
    assert (request.seconds, request.width, request.height) == (1, limits.max_side // 2 * 2, limits.max_side // 2 * 2)


# --- Models ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "model", ["sd-9000", "Tiny", " tiny", "../tiny", "tiny\x00", 5, True, ["tiny"], {"id": "tiny"}]
)
def test_an_unknown_model_is_refused_with_those_that_there_are(model):
    assert_refused("model", model, says="The models are: tiny")


@pytest.mark.parametrize("adapter", ["nothing", 5, ["tiny-motion"], "animatediff-v1-5-2"])
def test_a_motion_adapter_must_fit_the_model(adapter):
    assert_refused("motion_adapter", adapter, says="Those that do: tiny-motion")


@pytest.mark.parametrize(
    "loras",
    [
        "zoom-in:0.8, pan-left",
        [["zoom-in", 0.8], ["pan-left", 1]],
        {"zoom-in": 0.8, "pan-left": ""},
        " zoom-in : 0.8 ,pan-left:,",
    ],
)
def test_camera_motions_may_be_text_pairs_or_a_mapping(loras):
    assert ask(**WITH_LORAS, motion_loras=loras).motion_loras == (("zoom-in", 0.8), ("pan-left", 1.0))


@pytest.mark.parametrize("weight", [-0.1, 1.1, "abc", "nan", math.inf, "1e400", 10**400, True, None, [1], "٠.٥"])
def test_the_strength_of_a_camera_motion_is_between_nothing_and_all(weight):
    assert_refused("motion_loras", [["zoom-in", weight]], says="between 0 and 1", **WITH_LORAS)


@pytest.mark.parametrize("loras", [5, True, [5], ["zoom-in"], [["zoom-in", 1, 2]], [["zoom-in"]], [[]], [None]])
def test_camera_motions_that_cannot_be_read_are_refused_with_an_example(loras):
    assert_refused("motion_loras", loras, says="Camera motions look like this", **WITH_LORAS)


@pytest.mark.parametrize("loras", ["nothing", "animatelcm-lora", ":0.5", [["", 1]], [[5, 1]], [[["zoom-in"], 1]]])
def test_a_camera_motion_must_fit_the_adapter(loras):
    assert_refused("motion_loras", loras, says="does not fit", **WITH_LORAS)


def test_the_tiny_model_has_no_camera_motions():
    assert_refused("motion_loras", "zoom-in", says="does not fit")


@pytest.mark.parametrize(
    "loras", ["zoom-in,zoom-in", "zoom-in:0.1, zoom-in:0.2", ",".join("abcdefghi"), "zoom-in," * 100_000]
)
def test_each_camera_motion_is_given_once_and_not_too_many(loras):
    assert_refused("motion_loras", loras, says="once, and at most 8", **WITH_LORAS)


# --- All fields together -----------------------------------------------------------------------------------------


def test_an_unknown_field_is_named_and_the_known_ones_are_listed():
    errors = errors_of(colour="red", Prompt="x")
    assert list(errors) == ["Prompt", "colour"]
    assert "negative_prompt" in errors["colour"][0]
    assert "size" in errors["colour"][0]


def test_a_very_long_field_name_is_cut():
    assert list(errors_of(**{"x" * 1000: "y"})) == ["x" * 50]


def test_all_errors_are_reported_at_once():
    wrong = {"prompt": "", "fps": 7, "seconds": 100, "guidance": "nan", "model": "none", "size": "1x1", "colour": "red"}
    assert set(errors_of(**wrong)) == set(wrong)


def test_the_error_reads_as_a_line_for_a_log():
    with pytest.raises(InvalidRequest, match=r"^fps: This must be one of: 8, 16, 24, 25, 30, 32\.$"):
        ask(fps=7)


def test_a_request_goes_through_json_unchanged():
    request = ask(
        **WITH_LORAS, motion_loras="zoom-in:0.8", seed=7, guidance=0.1, negative_prompt="blur", size="512x384"
    )
    assert RenderRequest.from_dict(json.loads(json.dumps(request.to_dict()))) == request


def test_stored_requests_can_be_parsed_again():
    request = ask(**WITH_LORAS, motion_loras="zoom-in:0.8,pan-left", seed=7, size="512x384")
    assert parse(request.to_dict(), CATALOGUE, LIMITS) == request


def test_unknown_fields_of_a_later_version_are_ignored():
    stored = {**ask().to_dict(), "sharpness": 3}
    assert RenderRequest.from_dict(stored) == ask()


JUNK = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from(["10" * 200, "1e400", 10**400]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=4,
)
FIELDS = [*RenderRequest.__slots__, "size"]


@settings(deadline=None, max_examples=100)
@given(st.dictionaries(st.sampled_from(FIELDS) | st.text(string.printable, max_size=5), JUNK, max_size=6))
def test_anything_becomes_a_request_that_json_can_hold_or_a_clear_refusal(data):
    try:
        request = parse(data, CATALOGUE, LIMITS)
    except InvalidRequest as error:
        assert error.errors
        assert all(texts and all(str(text) for text in texts) for texts in error.errors.values())
    else:
        assert RenderRequest.from_dict(json.loads(json.dumps(request.to_dict(), allow_nan=False))) == request


# --- As others write it --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", [-1, "-1", -1.0, " -1 "])
def test_a_seed_of_minus_one_is_a_random_one_as_in_other_programs(seed):
    assert ask(seed=seed).seed is None
    assert_refused("seed", -2, says="between 0 and")


def test_decimals_may_have_commas():
    assert ask(guidance="7,5").guidance == 7.5
    assert ask(steps="24,0").steps == 24
    assert_refused("steps", "1,000", says="whole number")


@pytest.mark.parametrize(
    "loras", ["zoom-in:0,8, pan-left:0,5", "zoom-in:0,8; pan-left:0,5", "zoom-in:0.8;pan-left:0.5"]
)
def test_weights_may_have_decimal_commas_and_be_separated_by_semicolons(loras):
    assert ask(**WITH_LORAS, motion_loras=loras).motion_loras == (("zoom-in", 0.8), ("pan-left", 0.5))


def test_of_many_unknown_fields_only_some_are_told():
    with pytest.raises(InvalidRequest) as refused:
        ask(**{f"k{number}": 1 for number in range(50_000)})
    assert len(refused.value.errors) == MOST_TOLD
