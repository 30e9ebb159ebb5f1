"""Lines that other programs write into files of prompts are understood, or refused with what to write instead."""

import pytest

from generation.batches import services as batches
from generation.batches.parsing import read_rows
from generation.requests.fields import FIELDS
from tests.costs import at_most

LINE = (
    '--prompt "a red heart, rising" --negative_prompt "rain" --seed 7 --steps 20 --cfg_scale 6.5 '
    "--width 512 --height 288"
)


def row_of(line, **options):
    (row,) = read_rows(line.encode(), **options)
    return row


@pytest.mark.parametrize("name", ["prompts.txt", ""])
def test_a_line_of_automatic1111_is_read(name):
    assert row_of(LINE, name=name).values == {
        "prompt": "a red heart, rising",
        "negative_prompt": "rain",
        "seed": "7",
        "steps": "20",
        "guidance": "6.5",
        "width": "512",
        "height": "288",
    }


@pytest.mark.django_db
def test_it_becomes_the_request_that_it_says():
    (entry,) = batches.check([row_of(LINE)])
    assert entry.problems == []
    request = entry.request
    assert (request.prompt, request.negative_prompt, request.seed) == ("a red heart, rising", "rain", 7)
    assert (request.steps, request.guidance, request.width, request.height) == (20, 6.5, 512, 288)


@pytest.mark.parametrize(
    ("line", "values"),
    [
        ("a red heart --seed 7", {"prompt": "a red heart", "seed": "7"}),
        ("--prompt a dog's ball --seed=7", {"prompt": "a dog's ball", "seed": "7"}),
        ('--seed 7 --prompt "a \\"neon\\" sign"', {"prompt": 'a "neon" sign', "seed": "7"}),
        ('a "neon" sign --seconds 3', {"prompt": 'a "neon" sign', "seconds": "3"}),
        ('--prompt "a sign: --seed 7"', {"prompt": "a sign: --seed 7"}),
        (r'--prompt "a \(red:1.2\) heart"', {"prompt": r"a \(red:1.2\) heart"}),
        ("--Prompt a heart --Negative-Prompt rain", {"prompt": "a heart", "negative_prompt": "rain"}),
        ("--prompt {red|blue} hearts --seed -1", {"prompt": "{red|blue} hearts", "seed": "-1"}),
        ('a 5" screen --seed 7', {"prompt": 'a 5" screen', "seed": "7"}),
        ('a "b\\" c" d" --seed 7', {"prompt": 'a "b\\" c" d"', "seed": "7"}),
        ("a heart -- rising -- slowly", {"prompt": "a heart -- rising -- slowly"}),
        ("a well--known heart", {"prompt": "a well--known heart"}),
    ],
)
def test_options_are_read_as_people_write_them(line, values):
    row = row_of(line)
    assert (row.values, row.problem) == (values, "")


@pytest.mark.parametrize("name", [*FIELDS, "size"])
def test_each_field_is_an_option(name):
    assert row_of(f"--{name} x").values == {name: "x"}


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (
            "a heart --ar 16:9",
            "--ar is not understood here. Leave it out, or write one of: --prompt,",
        ),
        ('--prompt "a heart" --sampler_name "Euler a"', "--sampler_name is not understood here."),
        ('--prompt "a heart --seed 7', "The quotes of --prompt do not match."),
        ("--prompt a --prompt b", "--prompt is given twice."),
        ("a heart --prompt b", "--prompt is given twice."),
        ("a heart --seed", "--seed has no value."),
        ("a heart" + " --seed 1" * 100, "This line has too many options"),
    ],
)
def test_what_is_not_understood_is_refused_with_what_to_write(line, says):
    assert row_of(line).problem.startswith(says)


@pytest.mark.django_db
def test_a_value_that_is_wrong_is_reported_at_its_field():
    (entry,) = batches.check([row_of("--seed 7 --steps 20")])
    assert list(entry.errors) == ["prompt"]
    (entry,) = batches.check([row_of("a heart --width 17")])
    assert list(entry.errors) == ["width"]


@pytest.mark.parametrize("line", ["{red|blue} hearts", "{2$$a|b|c}", "{ {a|b} | c}"])
def test_a_prompt_may_begin_with_a_choice(line):
    assert row_of(line).values == {"prompt": line}
    assert row_of('{"prompt": "{a|b}"}').values == {"prompt": "{a|b}"}


@pytest.mark.parametrize("piece", ['\\"', '"', '"\\', "--a ", '" --seed ', "\\", "a"])
def test_a_hostile_line_is_read_once(piece):
    """A quote that did not close was looked for again from each escaped one: a minute for one line."""
    line = ('--prompt "' + piece * 64_000)[:64_000]
    with at_most(2):
        list(read_rows(line.encode(), format="text"))
