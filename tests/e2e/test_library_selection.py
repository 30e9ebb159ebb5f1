"""Several clips of the library at once: select, delete, restore, download, collect."""

import io
import json
import re
import zipfile

import pytest
from playwright.sync_api import expect

from tests.e2e.library_pages import A_PAGE, all_titles, bar, card, cards, choose, titles
from tests.e2e.soundness import too_wide, violations
from tests.e2e.variants import LANGUAGES

pytestmark = pytest.mark.e2e

PEOPLE = {**dict.fromkeys(("keeper", "deleter-en", "deleter-pl", "zipper"), A_PAGE), "collector": 3}
WORDS = {
    "en": {"Delete": "Delete", "Undo": "Undo", "gone": "3 clips were moved", "back": "3 clips were restored"},
    "pl": {
        "Delete": "Usuń",
        "Undo": "Cofnij",
        "gone": "Przeniesiono do kosza 3 klipy.",
        "back": "3 klipy są z powrotem",
    },
}


@pytest.mark.parametrize("language", LANGUAGES)
def test_several_are_deleted_and_restored(visit, language):
    say = WORDS[language]
    with visit(f"deleter-{language}", path="/videos/?q=clip", locale=language) as page:
        page.wait_for_load_state("networkidle")  # no image may be requested after its video is deleted
        expect(bar(page)).to_be_hidden()
        choose(page, "Clip 2", "Clip 3", "Clip 5")
        expect(bar(page).locator("output")).to_have_text("3")
        bar(page).get_by_role("button", name=say["Delete"], exact=True).click()
        notice = page.locator(".messages")
        expect(notice).to_contain_text(say["gone"])
        expect(cards(page)).to_have_count(A_PAGE - 3)
        assert not {"Clip 2", "Clip 3", "Clip 5"} & set(titles(page))
        expect(page).to_have_url(re.compile(r"\?q=clip$"))
        notice.get_by_role("button", name=say["Undo"]).click()
        expect(notice).to_contain_text(say["back"])
        expect(cards(page)).to_have_count(A_PAGE)
        assert {"Clip 2", "Clip 3", "Clip 5"} < set(titles(page))


def test_all_are_chosen_or_none_or_a_row_of_them(visit):
    with visit("keeper") as page:
        count = bar(page).locator("output")
        page.get_by_label("Select everything shown").check()
        expect(count).to_have_text(str(A_PAGE))
        bar(page).get_by_role("button", name="Clear").click()
        expect(bar(page)).to_be_hidden()
        expect(page.get_by_label("Select everything shown")).to_be_focused()
        choose(page, "Clip 2")
        card(page, "Clip 7").get_by_role("checkbox").click(modifiers=["Shift"])
        expect(count).to_have_text("6")
        expect(page.get_by_label("Select everything shown")).to_have_js_property("indeterminate", True)
        assert violations(page) == []
        assert too_wide(page) == []


def test_several_come_as_a_zip_with_what_made_them(visit):
    with visit("zipper") as page:
        choose(page, "Clip 1", "Clip 3")
        with page.expect_download() as loading:
            bar(page).get_by_role("button", name="Download").click()
        assert loading.value.suggested_filename == "auravideo.zip"
        with open(loading.value.path(), "rb") as file, zipfile.ZipFile(io.BytesIO(file.read())) as zipped:
            assert zipped.namelist() == ["001-clip-3.mp4", "001-clip-3.json", "002-clip-1.mp4", "002-clip-1.json"]
            assert zipped.testzip() is None
            assert zipped.read("001-clip-3.mp4")[4:8] == b"ftyp"
            assert json.loads(zipped.read("002-clip-1.json"))["request"]["seed"] == 1
        expect(page).to_have_url(re.compile("/videos/$"))


def test_several_become_favourites(visit):
    with visit("zipper") as page:
        choose(page, "Clip 4", "Clip 6")
        bar(page).get_by_role("button", name="Favourite").click()
        expect(page.locator('.favourite[aria-pressed="true"]')).to_have_count(2)


def test_a_collection_is_made_filled_named_emptied_and_deleted(visit):
    with visit("collector") as page:
        choose(page, "Clip 1", "Clip 2")
        bar(page).get_by_role("button", name="Add to a collection").click()
        page.get_by_label("Name of the new collection").fill("Evening")
        page.get_by_role("button", name="Add", exact=True).click()
        expect(page.locator(".messages")).to_contain_text("2 clips were added to “Evening”.")

        page.get_by_role("link", name="Collections").click()
        page.get_by_label("Name of the new collection").fill("evening")
        page.get_by_role("button", name="Create", exact=True).click()
        expect(page.get_by_text("You already have a collection with this name.")).to_be_visible()
        page.get_by_role("link", name="Evening").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Evening")
        expect(cards(page)).to_have_count(2)
        assert sorted(titles(page)) == ["Clip 1", "Clip 2"]

        choose(page, "Clip 1")
        bar(page).get_by_role("button", name="Remove from this collection").click()
        expect(all_titles(page)).to_have_text(["Clip 2"])
        page.locator("summary").filter(has_text="Rename").click()
        page.get_by_label("Name", exact=True).fill("Night")
        page.get_by_role("button", name="Save").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Night")

        page.get_by_role("link", name="Clip 2", exact=True).click()
        page.get_by_role("button", name="Remove from “Night”").click()
        expect(page.get_by_text("It is in no collection yet.")).to_be_visible()
        page.get_by_role("button", name="Add to a collection").click()
        page.get_by_label("Collection", exact=True).select_option(label="Night")
        page.get_by_role("button", name="Add", exact=True).click()
        page.get_by_role("link", name="Night").click()

        page.locator("summary").filter(has_text="Delete").click()
        page.get_by_role("button", name="Delete this collection").click()
        expect(page.get_by_role("heading", name="No collections yet")).to_be_visible()
        page.goto("/videos/")
        assert titles(page) == ["Clip 1", "Clip 2", "Clip 3"]
