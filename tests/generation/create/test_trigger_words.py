"""The words of textual inversions, which nobody could guess: shown on the form where the chosen model has any."""

from pathlib import Path

import pytest
from django.urls import reverse

from tests.generation.create.pages import ADVANCED, edit
from tests.other_families import CATALOGUE
from tests.trigger_words import embeddings

pytestmark = pytest.mark.django_db


@pytest.fixture
def have(settings, tmp_path):
    """Return a function that puts embeddings of these words into the site's catalogue."""

    def write(*words, family="tiny", weights="config.json"):
        path = tmp_path / "catalogue.toml"
        path.write_text(embeddings(*words, family=family, weights=weights))
        settings.CATALOGUE_FILE = str(path)

    return write


def page_of(client, mode="simple"):
    return client.get(reverse("generation:create") + f"?mode={mode}").content.decode()


def test_a_site_without_them_does_not_mention_them(signed_in):
    assert "Trigger words" not in page_of(signed_in)


@pytest.mark.parametrize("other", [{"family": "sd15"}, {"weights": "gone.safetensors"}])
def test_words_of_another_family_or_not_on_this_machine_are_not_shown(signed_in, have, other):
    have("inkwash", **other)
    assert "inkwash" not in page_of(signed_in)


@pytest.mark.parametrize("mode", ["simple", "advanced"])
def test_each_word_is_shown_with_what_it_is_for(signed_in, have, mode):
    have("inkwash", "badhands")
    page = page_of(signed_in, mode)
    assert page.count('<code translate="no">inkwash</code>') == 2, "in the summary and in the list"
    assert "Label of badhands" in page
    assert "What badhands is for." in page


def test_many_words_are_counted_and_listed_on_demand(signed_in, have):
    have(*(f"word-{number}" for number in range(7)))
    page = page_of(signed_in)
    assert "7 words" in page
    assert page.count('<code translate="no">word-3</code>') == 1


def test_a_change_of_the_model_changes_its_words(signed_in, have):
    have("inkwash")
    page = edit(signed_in, "mode=advanced", {**ADVANCED}).content.decode()
    assert "inkwash" in page
    assert 'hx-select-oob="#trigger-words,' in page


def many(client):
    return client.get(reverse("generation:create-many")).content.decode()


def test_the_page_for_several_prompts_has_them_too(signed_in, have):
    assert "Trigger words" not in many(signed_in)
    have("inkwash", "badhands")
    page = many(signed_in)
    assert page.count('<code translate="no">inkwash</code>') == 2, "in the summary and in the list"
    assert "Label of badhands. What badhands is for." in page
    assert "(only" not in page, "every model here reads them"
    assert "For rows without a size." in page, "the help of the other fields stays"


@pytest.mark.parametrize("other", [{"family": "sd15"}, {"weights": "gone.safetensors"}])
def test_it_has_no_words_that_nothing_here_reads(signed_in, have, other):
    have("inkwash", **other)
    assert "Trigger words" not in many(signed_in)


def test_it_says_which_models_read_a_word_where_not_all_do(signed_in, settings, have):
    have("inkwash")
    with Path(settings.CATALOGUE_FILE).open("a") as file:
        file.write(CATALOGUE)
    assert "What inkwash is for. <span>(only Tiny world)</span>" in many(signed_in)
