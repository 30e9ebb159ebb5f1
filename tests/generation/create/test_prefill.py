"""Initial form values from stored requests, including old and malformed ones."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from generation.create import prefill
from generation.create.forms import MODES, CreateForm
from generation.requests.fields import MAX_PROMPT
from generation.requests.request import RenderRequest
from tests.factories import a_request

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
FIELDS = list(a_request())
USUAL = st.sampled_from([256, 300, "256", "tiny", "custom", "16:9", 24, "mp4", 1.5, 10**30, [["zoom-in", 1]], [[]]])


@settings(deadline=None, max_examples=60)
@given(request=st.dictionaries(st.sampled_from(FIELDS), JSON | USUAL), mode=st.sampled_from(MODES))
def test_whatever_a_file_says_the_form_can_be_shown_and_switched(request, mode):
    found = prefill.from_request(request)
    form = CreateForm(mode=mode, initial=prefill.fitted(found.values))
    assert str(form)
    for to in MODES:
        assert str(CreateForm(mode=to, initial=prefill.fitted(prefill.switched(form.values(), to))))


@pytest.mark.django_db
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"size": "500x300"},
        {"size": "456x256", "fps": 8, "steps": 5},
        {"format": "gif", "guidance": 0.5, "seconds": 9},
    ],
    ids=str,
)
def test_a_request_comes_back_as_it_was(mode, changes):
    stored = a_request(seed=3, negative_prompt="rain", **changes)
    form = CreateForm(mode=mode, initial=prefill.from_request(stored).values)
    again = CreateForm(form.values(), mode=mode)
    assert again.is_valid(), again.errors
    made = {**again.render_request.to_dict(), "quality": ""}
    assert RenderRequest.from_dict(made) == RenderRequest.from_dict(stored)


def test_a_long_text_is_cut():
    assert len(prefill.from_request({"prompt": "x" * 10_000}).values["prompt"]) == MAX_PROMPT


def test_what_suits_the_model_anyway_is_left_open():
    values = prefill.from_request(a_request(seed=3)).values
    assert "steps" not in values
    assert "guidance" not in values
    assert prefill.from_request(a_request(steps=3)).values["steps"] == 3


@pytest.mark.usefixtures("other_families")
@pytest.mark.parametrize(
    ("changes", "kept"),
    [
        ({"model": "hunyuanvideo-1-5", "steps": 50, "guidance": 6.0}, {}),  # both are that model's own
        ({"model": "hunyuanvideo-1-5", "steps": 30, "guidance": 2.5}, {"steps": 30, "guidance": 2.5}),
        ({"model": "epicrealism", "motion_adapter": "animatediff-lightning-4step", "steps": 4, "guidance": 1.0}, {}),
        ({"model": "gone", "steps": 50, "guidance": 6.0}, {"steps": 50, "guidance": 6.0}),  # nobody knows
    ],
)
def test_what_was_usual_for_a_model_that_is_not_here_is_left_open(changes, kept):
    values = prefill.from_request({**a_request(seed=3), **changes}).values
    assert "model" not in values
    assert {name: values[name] for name in ("steps", "guidance") if name in values} == kept
