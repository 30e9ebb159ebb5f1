from django.utils.translation import override

from generation.requests import available
from generation.requests.fields import Facts
from generation.templatetags.labels import facts, model_label


def test_a_model_has_its_label_in_the_language_of_the_page():
    entry = available.catalogue().models["tiny"]
    with override("pl"):
        assert model_label("tiny") == entry.label != entry.english_label
    assert model_label("tiny") == entry.english_label


def test_a_model_missing_from_the_catalogue_is_shown_by_its_id():
    assert model_label("gone-since") == "gone-since"


def test_a_request_that_the_version_before_wrote_still_says_its_quality():
    """While an update rolls out, its processes still store `preset`."""
    assert [(fact.name, fact.value) for fact in facts({"preset": "draft"}, Facts.SUBJECT)] == [("quality", "Draft")]
