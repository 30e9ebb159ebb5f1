"""Every line that somebody types and others, or they themselves, read hides nothing and turns nothing around."""

import pytest
from django.core.exceptions import ValidationError

from accounts.second_factor_forms import RenamePasskeyForm
from auravideo.core.forms import one_line, refuse_hidden, without_hidden
from gallery.library.forms import CollectForm, CollectionForm, TitleForm
from generation.models import Preset
from generation.presets.forms import PresetNameForm, RenameForm
from tests.factories import UserFactory

HIDDEN = [
    "Ada\u202eecalevoL",
    "Ada \u2066x",
    "A\u200bda",
    "Ada\u00ad L",
    "Ad\u3164a",
    "Ada\u2800B",
    "A\u2028B",
    "A\u200dB",
]
FINE = [
    "Ada",
    "Żółw, 2. część",
    "نمی\u200cدانم",
    "क्\u200dष",
    "👩\u200d🚀",
    "❤\ufe0f",
    "1\ufe0f\u20e3",
    "日本語",
    "a — b",
]


def forms_with(text: str) -> list[tuple[str, object]]:
    user = UserFactory()
    return [
        ("title", TitleForm({"title": text})),
        ("name", CollectionForm({"name": text})),
        ("name", CollectForm(user, {"name": text})),
        ("preset_name", PresetNameForm({"preset_name": text})),
        ("name", RenameForm({"name": text}, instance=Preset(user=user))),
        ("name", RenamePasskeyForm({"name": text}, instance=Named())),
    ]


class Named:
    """What the form of a passkey asks its instance for."""

    def wrap(self):
        return self

    name = "Passkey"


@pytest.mark.django_db
@pytest.mark.parametrize("text", HIDDEN)
def test_no_form_takes_a_hidden_character(text):
    for field, form in forms_with(text):
        assert not form.is_valid()
        assert form.errors.as_data()[field][0].code == "hidden", type(form).__name__


@pytest.mark.django_db
@pytest.mark.parametrize("text", FINE)
def test_every_form_takes_the_texts_of_all_languages(text):
    for field, form in forms_with(text):
        form.is_valid()
        assert field not in form.errors, type(form).__name__
        assert form.cleaned_data[field] == text


@pytest.mark.parametrize("text", ["\u2068Ada\u2069", "\u200eAda", "\ufeffAda", "\u202aAda\u202c ", " Ada\u200f"])
def test_what_was_pasted_around_a_text_is_dropped(text):
    assert one_line(text) == "Ada"


@pytest.mark.parametrize("text", ["\ufe0fa", "a\x00", "a\nb", "\u200d👩", "👩\u200d", "\ue000"])
def test_marks_without_something_to_mark_are_hidden_characters(text):
    with pytest.raises(ValidationError):
        refuse_hidden(text)


def test_names_of_files_lose_what_is_hidden():
    assert without_hidden("prompts\u202etxt.exe\u200b.csv") == "promptstxt.exe.csv"
    for text in FINE:
        assert without_hidden(text) == text
