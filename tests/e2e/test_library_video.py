"""The page of one video: rename, delete, restore, download, and when it was made."""

import re
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import expect

from tests.e2e.library_pages import A_PAGE, card, titles
from tests.e2e.soundness import violations

pytestmark = pytest.mark.e2e

PEOPLE = dict.fromkeys(("reader", "renamer"), A_PAGE)


@pytest.mark.parametrize("zone", ["Europe/Warsaw", "America/New_York"])
def test_a_moment_is_told_in_the_time_zone_of_whoever_reads_it(visit, zone):
    with visit("reader", timezone_id=zone) as page:
        card(page, "Clip 1").get_by_role("link", name="Clip 1", exact=True).click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Clip 1")
        moment = page.locator("time[data-moment]").first
        made = datetime.fromisoformat(moment.get_attribute("datetime")).astimezone(ZoneInfo(zone))
        expect(moment).to_have_text(re.compile(rf"^{made.day} \w+ {made.year} at {made.hour:02}:{made.minute:02}$"))


def test_a_title_is_edited_in_its_place(visit):
    with visit("renamer") as page:
        page.get_by_role("link", name="Clip 1", exact=True).click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Clip 1")
        page.evaluate("window.sameDocument = true")
        rename, heading = page.get_by_role("link", name="Rename"), page.get_by_role("heading", level=1)
        rename.click()
        field = page.get_by_label("Title")
        expect(field).to_be_focused()
        field.fill("Something else")
        field.press("Escape")
        expect(heading).to_have_text("Clip 1")
        expect(rename).to_be_focused()
        rename.press("Enter")
        field.fill("   ")
        field.press("Enter")
        expect(page.get_by_text("Give the clip a title.")).to_be_visible()
        field.fill("Morning by the sea")
        page.get_by_role("button", name="Save", exact=True).click()
        expect(heading).to_have_text("Morning by the sea")
        expect(page).to_have_title(re.compile("^Morning by the sea"))
        assert page.evaluate("window.sameDocument") is True
        page.mouse.move(0, 0)
        assert violations(page) == []
        page.goto("/videos/?q=morning")
        assert titles(page) == ["Morning by the sea"]


def test_a_video_is_deleted_from_its_page_and_put_back_from_the_trash(visit):
    with visit("renamer") as page:
        page.get_by_role("link", name="Clip 9", exact=True).click()
        page.wait_for_url("**/videos/*-*/**")
        page.wait_for_load_state("networkidle")  # no image may be requested after its video is deleted
        address = page.url
        page.get_by_role("main").get_by_role("button", name="Delete", exact=True).click()
        expect(page.locator(".messages")).to_contain_text("1 clip was moved to the trash.")
        assert page.request.get(address).status == 404
        assert page.request.get(f"{address}file/").status == 404
        page.get_by_role("link", name="Trash").click()
        page.get_by_role("button", name="Restore: Clip 9").click()
        expect(page.get_by_role("heading", name="The trash is empty")).to_be_visible()
        assert page.request.get(address).status == 200


def test_the_files_of_a_video_come_by_their_names(visit):
    with visit("renamer") as page:
        page.get_by_role("link", name="Clip 12", exact=True).click()
        names = {"Clip": "clip-12.mp4", "Settings": "clip-12.json"}
        for link, name in names.items():
            with page.expect_download() as loading:
                page.locator(".files").get_by_role("link", name=link).click()
            assert loading.value.suggested_filename == name
        similar = page.get_by_role("region", name="Same prompt or same seed")
        expect(similar.locator(".card")).to_have_count(6)
        page.get_by_role("link", name="Create from this").click()
        expect(page.locator("[name=prompt]")).to_have_value("a red heart")
