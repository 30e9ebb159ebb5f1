"""Errors read as full sentences for the user, even without context."""

import pickle
import re

import pytest

from generation.domain.errors import ERRORS, WAITING, WARNINGS, Cancelled, RenderError, error_text, warning_text


@pytest.mark.parametrize("id", ERRORS)
def test_every_error_is_a_sentence_even_when_nothing_else_is_known(id):
    text = error_text(id, {})
    assert re.match(r"[A-Z].{20,}", text)
    assert "%" not in text
    assert RenderError(id).text == text


def test_the_text_names_what_it_is_about():
    error = RenderError("model-missing", model="epiCRealism", command="python manage.py fetch_models epicrealism")
    assert "epiCRealism" in error.text
    assert error.text.endswith("python manage.py fetch_models epicrealism")
    assert str(error) == f"model-missing: {error.text}"


def test_an_unknown_id_is_noticed_where_it_is_raised():
    with pytest.raises(KeyError):
        RenderError("no-such-error")


def test_a_stored_error_of_another_version_reads_as_an_internal_error():
    assert error_text("an-error-of-tomorrow", {"reference": "abc123"}) == error_text(
        "internal", {"reference": "abc123"}
    )
    assert "abc123" in error_text("an-error-of-tomorrow", {"reference": "abc123"})


def test_percent_signs_in_what_is_filled_in_stay_as_they_are():
    assert "100 %s %(model)s" in error_text("model-missing", {"model": "100 %s %(model)s"})


def test_the_context_is_text_so_that_json_can_hold_it():
    assert RenderError("worker-lost", attempts=3, stage="upscale").context == {"attempts": "3", "stage": "upscale"}


def test_an_error_survives_pickling():
    error = pickle.loads(pickle.dumps(RenderError("model-corrupt", model="FILM", file="saved_model.pb")))
    assert isinstance(error, RenderError)
    assert (error.id, error.context) == ("model-corrupt", {"model": "FILM", "file": "saved_model.pb"})


def test_cancelling_is_no_error_of_rendering():
    assert not issubclass(Cancelled, RenderError)


WITHOUT_NUMBERS = WAITING


@pytest.mark.parametrize("id", WARNINGS)
def test_every_warning_fills_in_its_numbers(id):
    told = {name: f"<{name}>" for name in re.findall(r"%\((\w+)\)s", str(WARNINGS[id]))}
    text = warning_text({"id": id, **told})
    assert bool(told) != (id in WITHOUT_NUMBERS)
    assert all(value in text for value in told.values())
    assert "%" not in text
