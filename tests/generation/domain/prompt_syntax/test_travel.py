"""Prompts that change over time: parts with times in seconds, frames or percent."""

import pytest

from generation.domain.prompt_syntax.travel import at_frames, in_percent, problems_of, read_travel


def keys(text):
    return [(key.at, key.unit, key.text) for key in read_travel(text)]


def problems(text, seconds=2, fps=24, native_fps=8):
    return [problem.id for problem in problems_of(text, read_travel(text), seconds, fps, native_fps)]


def test_each_part_has_its_time():
    text = "0: a red circle | 1s: a (blue|green:1.2) one |50 %:a | 24 : b| 1.5 seconds: c"
    assert keys(text) == [
        (0, "f", "a red circle"),
        (1, "s", "a (blue|green:1.2) one"),
        (50, "%", "a"),
        (24, "f", "b"),
        (1.5, "s", "c"),
    ]


@pytest.mark.parametrize(
    "text", ["a red circle", "a | b", "16:9 photo", "0: a red circle", "0: a | b", r"0: a \| 2s: b", "0: a | 2ſ: b"]
)
def test_other_prompts_do_not_travel(text):
    assert read_travel(text) == ()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("0: a | 1s: b | c", "travel-time"),
        ("a | 0: b | 1s: c", "travel-time"),
        ("1s: a | 2s: b", "travel-start"),
        ("0: a | 1s: b | 0.5s: c", "travel-order"),
        ("0: a | 0s: b", "travel-order"),
        ("0: a | 3s: b", "travel-late"),
        ("0: a | 101%: b", "travel-late"),
        ("0: a | 49: b", "travel-late"),
        ("0: a | 1: b", "travel-close"),
        ("0: a | 1s:", "travel-empty"),
        (" | ".join(f"{at}: a" for at in range(0, 48, 3)), "travel-many"),
    ],
)
def test_times_that_make_no_sense_are_reported(text, problem):
    assert problems(text) == [problem]


def test_the_last_moment_of_a_clip_can_be_named_in_each_unit():
    for text in ("0: a | 2s: b", "0: a | 48: b", "0: a | 100%: b"):
        assert problems(text) == []
        assert at_frames(read_travel(in_percent(read_travel(text), 2, 24, 2)), 17) == {0: "a", 16: "b"}


def test_an_engine_is_given_frames_of_its_own_rate():
    text = in_percent(read_travel("0: a | 0.5s: b | 36: c"), 2, 24, 2)
    assert text == "0%: a | 25%: b | 75%: c"
    assert at_frames(read_travel(text), 17) == {0: "a", 4: "b", 12: "c"}
    without_the_last = in_percent(read_travel("0: a | 12: b | 2s: c"), 2, 8, 15 / 8)
    assert at_frames(read_travel(without_the_last), 16) == {0: "a", 12: "b", 15: "c"}
    with pytest.raises(ValueError, match="percent"):
        at_frames(read_travel("0: a | 1s: b"), 17)
