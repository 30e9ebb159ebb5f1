"""The help page is public, describes this machine, and has examples that lead to the form."""

import re
from urllib.parse import parse_qs, urlsplit

import pytest
from django.urls import reverse

from auravideo.views import DEMO_EXAMPLES
from workers.tiny.world import scenes as world

pytestmark = pytest.mark.django_db


@pytest.fixture
def page(client) -> str:
    response = client.get(reverse("help"))
    assert response.status_code == 200
    return response.content.decode()


def prompts_in(html: str) -> list[str]:
    """Return the prompts in links to the form."""
    links = re.findall(r'href="([^"]*\?prompt=[^"]*)"', html)
    assert all(urlsplit(link).path == reverse("generation:create") for link in links)
    return [parse_qs(urlsplit(link).query)["prompt"][0] for link in links]


def test_it_names_every_word_that_the_demo_model_knows(page):
    words = (*world.SHAPES, *world.COLOURS, *world.SIZES, *world.BACKGROUNDS)
    assert [word for word in words if word not in page] == []
    assert [motion for motion in world.MOTIONS if motion.split()[-1] not in page] == []


def test_its_examples_open_the_form_with_the_sentence(page):
    assert prompts_in(page) == list(DEMO_EXAMPLES)


def test_the_examples_of_the_demo_model_are_of_its_world():
    for prompt in DEMO_EXAMPLES:
        for kind in (world.SHAPES, world.COLOURS, world.SIZES):
            assert len([word for word in kind if re.search(rf"\b{word}\b", prompt)]) == 1, prompt
        assert any(motion in prompt for motion in world.MOTIONS), prompt
        assert any(place in prompt for place in world.BACKGROUNDS), prompt


def test_it_speaks_of_the_models_that_are_on_this_machine_alone(client, monkeypatch):
    monkeypatch.setattr(
        "generation.catalogue.entries.BaseModel.is_available", lambda model, home: model.family != "tiny"
    )
    page = client.get(reverse("help")).content.decode()
    assert 'id="demo"' not in page
    assert "DreamShaper 8" in page
    assert len(prompts_in(page)) >= 3


def test_it_names_the_limits_that_the_operator_has_set(client, settings):
    settings.MAX_SIDE, settings.MAX_SECONDS, settings.MAX_ACTIVE_JOBS = 1312, 7, 23
    page = client.get(reverse("help")).content.decode()
    assert "up to 1312 pixels" in page
    assert "Up to 7 seconds" in page
    assert "23 clips waiting or rendering" in page


def test_polish_keeps_the_words_that_the_model_reads(client):
    page = client.get(reverse("help"), headers={"Accept-Language": "pl"}).content.decode()
    assert [word for word in (*world.SHAPES, *world.COLOURS, *world.BACKGROUNDS) if word not in page] == []
    assert "heart (serce)" in page
