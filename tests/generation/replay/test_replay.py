"""Regression test for refactorings: recorded posts (see record.py) still give the same jobs."""

import copy

import pytest

from tests.generation.replay import book, player
from tests.html_forms import fields_of
from tests.sampling import every

CASES = book.read()


@pytest.mark.django_db
@pytest.mark.parametrize("case", every(6, CASES), ids=lambda case: case["name"])
def test_the_same_posts_give_the_same_jobs(case, play):
    assert play(case) == case["outcomes"]


def test_the_cases_reach_every_way_in():
    steps = [step for case in CASES for step in case["steps"]]
    addresses = {step["post"].partition("?")[0] for step in steps if "post" in step}
    pages = {"", "edit/", "summary/", "from-file/", "save-preset/", "many/"}
    assert addresses == {f"/create/{page}" for page in pages}
    assert any("command" in step for step in steps)
    outcomes = [outcome for case in CASES for outcome in case["outcomes"]]
    assert len(CASES) > 300
    assert sum(len(outcome.get("jobs", ())) for outcome in outcomes) > 300
    assert sum("errors" in outcome or "problems" in outcome for outcome in outcomes) > 80


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("name", "value"),
    [("steps", "12"), ("seed", "6"), ("short_side", "202"), ("fps", "8"), ("prompt", "a star"), ("variations", "2")],
)
def test_any_difference_in_a_job_is_detected(play, name, value):
    case = copy.deepcopy(next(case for case in CASES if case["name"] == "advanced fps=''"))
    case["steps"][0]["data"][name] = value
    assert play(case) != case["outcomes"]


def test_a_lost_form_field_is_detected(play, monkeypatch, db):
    case = next(case for case in CASES if case["name"] == "switch usual to simple")
    monkeypatch.setattr(player, "fields_of", lambda html, form: _without_seed(fields_of(html, form)))
    assert play(case) != case["outcomes"]


def _without_seed(values):
    return {name: value for name, value in values.items() if name != "seed"}
