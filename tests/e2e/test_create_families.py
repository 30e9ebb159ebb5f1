"""Models of several families on the create page, in a browser: choosing one swaps the fields that it has."""

import re
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import expect

from tests.e2e.conftest import open_page
from tests.e2e.creating import cards, make, sign_up
from tests.e2e.soundness import too_small, too_wide, violations
from tests.e2e.variants import LOCALES
from tests.other_families import CATALOGUE, NATIVE_SIZES, many_models
from tests.site import Site
from tests.trigger_words import embeddings

pytestmark = [pytest.mark.e2e, pytest.mark.thorough]
PHONE = {"width": 360, "height": 800}


@pytest.fixture(scope="module")
def families(tmp_path_factory):
    """Yield a site without workers and with four models of three families; its `catalogue` can be replaced."""
    home = tmp_path_factory.mktemp("families") / "home"
    home.mkdir()
    started = Site(home, queues="", AURAVIDEO_CATALOGUE=str(home / "catalogue.toml"))
    started.catalogue = home / "catalogue.toml"
    started.catalogue.write_text(CATALOGUE)
    started.start()
    yield started
    assert started.stop() == 0


def assert_sound(page):
    assert violations(page) == []
    assert too_wide(page) == []
    assert too_small(page) == []


def choose(page, model):
    """Choose a model; return once the form has the fields of that one."""
    page.locator("#id_model").select_option(model)
    expect(page.locator("[name=shown_model]")).to_have_value(model)


@pytest.mark.parametrize("locale", LOCALES)
def test_choosing_a_model_swaps_its_fields_and_loses_nothing_that_was_typed(browser, families, locale):
    families.catalogue.write_text(CATALOGUE)
    with open_page(browser, families, locale=locale, viewport=PHONE) as page:
        sign_up(page)
        page.goto("/create/?mode=advanced")
        guided = ("negative_prompt", "guidance")
        page.locator("[name=prompt]").fill("a wave")
        page.locator("[name=negative_prompt]").fill("rain")
        page.locator("[name=seconds]").select_option("10")
        choose(page, "clouds")
        for name in guided:
            expect(page.locator(f"[name={name}]")).to_be_hidden()
        expect(page.locator("[name=motion_adapter]")).to_have_count(0)
        expect(page.locator("[name^=lora-]")).to_have_count(0)
        expect(page.locator("[name=seconds]")).to_have_value("3")
        expect(page.locator("[name=fps]")).to_have_value("25")
        expect(page.locator(".plan li")).to_have_count(1)  # neither interpolated nor upscaled
        assert_sound(page)
        choose(page, "waves")
        for name in guided:
            expect(page.locator(f"[name={name}]")).to_be_visible()
        expect(page.locator("[name=negative_prompt]")).to_have_value("rain")
        expect(page.locator("[name=lora-foam]")).to_be_visible()
        expect(page.locator("[name=short_side]")).to_have_value("480")
        choose(page, "clouds")
        page.locator("[name=seconds]").select_option("1")
        make(page)
        expect(cards(page)).to_have_count(1)
        assert urlsplit(page.url).path == "/create/"


@pytest.mark.parametrize("locale", LOCALES)
def test_a_model_with_native_sizes_opens_at_one_and_the_page_says_what_is_made(browser, families, locale):
    families.catalogue.write_text(NATIVE_SIZES)
    with open_page(browser, families, locale=locale, viewport=PHONE) as page:
        sign_up(page)
        page.goto("/create/?mode=advanced")
        choose(page, "tides")
        expect(page.locator("#id_aspect")).to_have_value("16:9")
        expect(page.locator(".plan li")).to_have_count(2)  # generated, then scaled and cropped
        expect(page.locator(".plan")).to_contain_text("832\u00a0×\u00a0480")
        expect(page.locator(".summary__result")).to_contain_text("856\u00a0×\u00a0480")
        assert_sound(page)
        page.set_viewport_size({"width": 1280, "height": 900})
        seed, dice = (page.locator(of).bounding_box() for of in ("#id_seed", "[data-dice]"))
        assert (seed["y"], seed["x"] + seed["width"] < dice["x"]) == (dice["y"], True), "side by side"
        for row in (("#id_steps", "#id_guidance"), ("#id_seed", "#id_variations")):
            assert len({page.locator(of).bounding_box()["y"] for of in row}) == 1, "though one label has two lines"
        page.locator("#id_aspect").select_option("custom")
        expect(page.locator("#id_width")).to_have_value("832")
        expect(page.locator(".plan li")).to_have_count(1)
        assert_sound(page)
        choose(page, "lake")
        page.locator("#id_aspect").select_option("1:1")
        expect(page.locator("#id_short_side")).to_have_value("640")
        page.locator("#id_aspect").focus()
        page.locator("#id_aspect").select_option("3:2")
        expect(page.locator("#id_short_side")).to_have_value("512")
        expect(page.locator("#id_aspect")).to_be_focused()
        expect(page.locator(".summary__result")).to_contain_text("768\u00a0×\u00a0512")
        page.locator("#id_short_side").fill("384")
        page.locator("#id_aspect").select_option("1:1")
        expect(page.locator("[name=shown_aspect]")).to_have_value("1:1")
        expect(page.locator("#id_short_side")).to_have_value("384")
        choose(page, "tiny")
        expect(page.locator("#id_aspect")).to_have_value("1:1")


QUICK = """
([name, value]) => document.addEventListener("htmx:afterSwap", () => {
  const field = document.querySelector("[data-create]").elements[name];
  field.value = value;
  field.dispatchEvent(new Event("change", { bubbles: true }));
}, { once: true })
"""


@pytest.mark.parametrize("choice", [("aspect", "3:2"), ("model", "tides")])
def test_what_is_chosen_at_the_moment_when_the_fields_are_swapped_counts(browser, families, choice):
    families.catalogue.write_text(NATIVE_SIZES)
    with open_page(browser, families) as page:
        sign_up(page)
        page.goto("/create/?mode=advanced")
        page.evaluate(QUICK, choice)
        page.locator("#id_model").select_option("lake")
        name, value = choice
        expect(page.locator(f"[name=shown_{name}]")).to_have_value(value)
        expect(page.locator("#id_short_side")).to_have_value("512" if name == "aspect" else "480")


@pytest.mark.parametrize("locale", LOCALES)
def test_the_page_for_several_prompts_names_trigger_words_columns_and_models(browser, families, locale):
    families.catalogue.write_text(many_models(30) + embeddings("inkwash", "bad-hands"))
    with open_page(browser, families, locale=locale, viewport=PHONE) as page:
        sign_up(page)
        page.goto("/create/many/")
        words, writing = page.locator("main details.more").all()
        words.locator("summary").click()
        expect(words).to_contain_text("Label of bad-hands")
        writing.locator("summary").click()
        expect(writing).to_contain_text("model-12")
        expect(writing).to_contain_text("negative_prompt")
        assert_sound(page)


def test_what_is_typed_while_the_fields_are_on_their_way_stays(browser, families):
    families.catalogue.write_text(CATALOGUE)
    with open_page(browser, families) as page:
        sign_up(page)
        page.goto("/create/?mode=advanced")
        held = []
        page.route(re.compile("/create/edit/"), lambda route: held.append(route) if not held else route.continue_())
        page.locator("#id_model").select_option("waves")
        while not held:
            page.wait_for_timeout(50)
        page.locator("[name=negative_prompt]").fill("rain")
        held[0].continue_()
        expect(page.locator("[name=shown_model]")).to_have_value("waves")
        expect(page.locator("[name=negative_prompt]")).to_have_value("rain")


@pytest.mark.parametrize("locale", LOCALES)
def test_thirty_models_are_one_field_and_grouped(browser, families, locale):
    families.catalogue.write_text(many_models(30))
    with open_page(browser, families, locale=locale, viewport=PHONE) as page:
        sign_up(page)
        page.goto("/create/?mode=advanced")
        expect(page.locator("#id_model optgroup")).to_have_count(7)
        choose(page, "model-12")
        expect(page.locator("#id_model option:checked")).to_have_text("Model 12 of a long name, in bf16")
        assert_sound(page)
