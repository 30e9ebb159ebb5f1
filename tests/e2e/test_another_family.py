"""A family of models that the site has never heard of: a catalogue file and a folder, and people make clips with it."""

import re

import pytest
from playwright.sync_api import expect

from tests import small_families
from tests.e2e.conftest import open_page
from tests.e2e.creating import cards, make, sign_up
from tests.e2e.test_first_clip import assert_grows, plays, watch
from tests.site import Site

pytestmark = [pytest.mark.e2e, pytest.mark.renders, pytest.mark.thorough]

# All that an operator writes.
ENTRY = """
[models.small-wan]
label = "Small Wan"
purpose = "Random weights of the real architecture."
family = "small-wan"
pipeline = "WanPipeline"
folder = "{folder}"
files = ["model_index.json", "transformer/*.safetensors", "vae/*.safetensors", "text_encoder/*.safetensors"]
licence = "as AuraVideo"
native_size = 128
min_size = 128
native_fps = 16
frame_multiple = 4
frame_offset = 1
max_frames = 81
side_multiple = 16
steps = 16
guidance = 5.0
scheduler = {{ class = "UniPCMultistepScheduler", flow_shift = 3.0 }}
max_prompt_tokens = 512
interpolator = "tiny-film"
upscaler = "tiny-esrgan"
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    home = tmp_path_factory.mktemp("family") / "home"
    home.mkdir()
    folder = small_families.write_wan(home / "small-wan")
    catalogue = home / "catalogue.toml"
    catalogue.write_text(ENTRY.format(folder=folder))
    started = Site(home, AURAVIDEO_CATALOGUE=str(catalogue)).start()
    yield started
    assert started.stop() == 0


def test_a_new_family_goes_from_a_catalogue_file_to_a_video_that_plays(browser, site):
    assert len(ENTRY.strip().splitlines()) < 50
    with open_page(browser, site) as page:
        sign_up(page)
        page.goto("/create/?mode=advanced")
        page.locator("[name=prompt]").fill("a red circle moving left")
        page.locator("select[name=model]").select_option("small-wan")
        expect(page.locator("select[name=motion_adapter] option")).to_have_count(0)
        make(page)
        card = cards(page).first
        seen = watch(page, card, lambda _name: None)
        assert_grows(seen["progress"])
        assert seen["previews"], "it was seen while it came into being"
        card.get_by_role("link", name="Open the clip").click()
        expect(page).to_have_url(re.compile("/videos/[0-9a-f-]{36}/$"))
        assert plays(page) == pytest.approx(2.0, abs=0.01)
