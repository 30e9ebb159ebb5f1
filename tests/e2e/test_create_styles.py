"""Style LoRAs and trigger words on the create page, in a browser: sound, and strengths either way are accepted."""

import re

import pytest
from playwright.sync_api import expect

from tests.e2e.conftest import open_page
from tests.e2e.creating import cards, make, sign_up
from tests.e2e.soundness import too_small, too_wide, violations
from tests.e2e.variants import LOCALES
from tests.generation.create.test_camera_motions import CATALOGUE
from tests.site import Site
from tests.trigger_words import EMBEDDING

pytestmark = [pytest.mark.e2e, pytest.mark.thorough]


@pytest.fixture(scope="module")
def styled(tmp_path_factory):
    home = tmp_path_factory.mktemp("styled") / "home"
    home.mkdir()
    words = EMBEDDING.format(word="inkwash", family="tiny", weights="config.json")
    (home / "catalogue.toml").write_text(CATALOGUE + words)
    started = Site(home, queues="", AURAVIDEO_CATALOGUE=str(home / "catalogue.toml")).start()
    yield started
    assert started.stop() == 0


@pytest.mark.parametrize("locale", LOCALES)
def test_the_styles_of_a_form_are_sound_and_accepted(browser, styled, locale):
    with open_page(browser, styled, locale=locale) as page:
        sign_up(page)
        page.goto("/create/?mode=advanced")
        expect(page.get_by_role("heading", name=re.compile("^(Styles|Style)$"))).to_be_visible()
        assert violations(page) == []
        assert too_wide(page) == []
        assert too_small(page) == []
        page.locator("[name=prompt]").fill("a red star")
        page.locator("[name=lora-ink]").fill("-1.5")
        make(page)
        expect(cards(page)).to_have_count(1)


@pytest.mark.parametrize("locale", LOCALES)
def test_the_words_of_the_model_are_under_the_prompt(browser, styled, locale):
    with open_page(browser, styled, locale=locale) as page:
        sign_up(page)
        page.goto("/create/")
        words = page.locator("#trigger-words")
        expect(words.get_by_text("inkwash").first).to_be_visible()
        words.locator("summary").click()
        expect(words.get_by_text("What inkwash is for.")).to_be_visible()
        assert violations(page) == []
        assert too_wide(page) == []
        assert too_small(page) == []
