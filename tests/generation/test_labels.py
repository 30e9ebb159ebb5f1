from django.utils.translation import override

from generation.requests import available
from generation.templatetags.labels import model_label


def test_a_model_has_its_label_in_the_language_of_the_page():
    entry = available.catalogue().models["tiny"]
    with override("pl"):
        assert model_label("tiny") == entry.label != entry.english_label
    assert model_label("tiny") == entry.english_label


def test_a_model_missing_from_the_catalogue_is_shown_by_its_id():
    assert model_label("gone-since") == "gone-since"
