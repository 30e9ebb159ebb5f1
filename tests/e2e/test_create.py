"""The create page in a browser: switching modes, the live summary, a dropped clip, many prompts, no JavaScript."""

import base64
import re
import uuid

import pytest
from playwright.sync_api import expect

from tests.e2e.conftest import open_page
from tests.workers.media.clips import encode

pytestmark = pytest.mark.e2e

PASSWORD = "a long enough passphrase"


@pytest.fixture
def signed_up(quick_page):
    """Return a page just after signing up."""
    page, name = quick_page, f"ann{uuid.uuid4().hex[:10]}"
    page.goto("/accounts/signup/")
    for field, value in {"username": name, "email": f"{name}@example.org", "password1": PASSWORD}.items():
        page.locator(f"[name={field}]").fill(value)
    page.locator("[name=password2]").fill(PASSWORD)
    page.get_by_role("main").get_by_role("button", name=re.compile("sign up", re.I)).click()
    expect(page).to_have_url(re.compile("/create/$"))
    return page


def mode(page, name: str):
    return page.get_by_role("navigation", name="Ways to create").get_by_text(name, exact=True)


def switch_there_and_back(page):
    """Type in simple mode, see it in advanced mode, change a setting there, and find both back in simple mode."""
    page.goto("/create/?mode=simple")
    page.locator("[name=prompt]").fill("a small blue star over the sea")
    page.locator("[name=aspect][value='16:9']").check()
    page.locator("[name=quality][value=draft]").check()
    page.locator("select[name=seconds]").select_option("3")
    mode(page, "Advanced").click()
    expect(page.locator("[name=prompt]")).to_have_value("a small blue star over the sea")
    expect(page.locator("select[name=aspect]")).to_have_value("16:9")
    expect(page.locator("select[name=seconds]")).to_have_value("3")
    expect(page.locator("[name=short_side]")).to_have_value("128")
    page.locator("[name=seed]").fill("12")
    mode(page, "Simple").click()
    expect(page.locator("[name=prompt]")).to_have_value("a small blue star over the sea")
    expect(page.locator("[name=quality][value=draft]")).to_be_checked()
    expect(page.get_by_text("seed 12")).to_be_visible()


def test_switching_the_mode_keeps_what_was_typed(signed_up):
    switch_there_and_back(signed_up)


def test_without_javascript_the_modes_the_examples_and_the_variations_work(browser, pages_only, signed_up):
    state = signed_up.context.storage_state()
    with open_page(browser, pages_only, java_script_enabled=False, storage_state=state) as page:
        switch_there_and_back(page)
        page.get_by_role("link", name="a large red heart rising over the sea").click()
        expect(page.locator("[name=prompt]")).to_have_value("a large red heart rising over the sea")
        mode(page, "Advanced").click()
        page.locator("[name=variations]").fill("2")
        page.locator("[name=prompt]").press("Tab")
        page.locator("[name=variations]").press("Enter")
        expect(page).to_have_url(re.compile("/jobs/$"))
        expect(page.locator(".job")).to_have_count(2)


def test_the_summary_follows_what_is_chosen(signed_up):
    page = signed_up
    page.goto("/create/?mode=advanced")
    summary = page.locator("#summary")
    expect(summary).to_contain_text("256 × 256")
    page.locator("select[name=aspect]").select_option("16:9")
    expect(summary).to_contain_text("456 × 256")
    page.locator("[name=variations]").fill("3")
    expect(summary).to_contain_text("3 clips")
    page.locator("select[name=aspect]").select_option("custom")
    page.locator("[name=width]").fill("300")
    page.locator("[name=height]").fill("200")
    expect(summary).to_contain_text("300 × 200")
    page.get_by_role("button", name="Dice").click()
    expect(page.locator("[name=seed]")).to_have_value(re.compile(r"\d+"))


def test_an_invalid_number_is_not_treated_as_empty(signed_up):
    page = signed_up
    page.goto("/create/?mode=advanced")
    page.locator("[name=prompt]").fill("a red heart")
    page.locator("[name=steps]").press_sequentially("1e")
    page.locator("#create-form .button--lamp").click()
    expect(page.locator("[name=steps]")).to_be_focused()
    expect(page).to_have_url(re.compile("/create/"))


def test_the_cost_of_each_quality_follows_the_length(signed_up):
    page = signed_up
    page.goto("/create/?mode=simple")
    before = page.locator("#cost-best").inner_text()
    page.locator("select[name=seconds]").select_option("10")
    expect(page.locator("#cost-best")).not_to_have_text(before)


def test_a_dropped_clip_fills_the_form_and_a_foreign_file_does_not(signed_up, tmp_path):
    page = signed_up
    page.goto("/create/?mode=advanced")
    request = {"prompt": "a green cross", "width": 384, "height": 256, "seconds": 4, "fps": 16, "seed": 99, "steps": 7}
    drop(page, encode(tmp_path, "mp4", metadata={"auravideo": 1, "request": request}).read_bytes())
    expect(page.get_by_text("Settings loaded from the file.")).to_be_visible()
    expect(page.locator("[name=prompt]")).to_have_value("a green cross")
    expect(page.locator("[name=seed]")).to_have_value("99")
    expect(page.locator("select[name=aspect]")).to_have_value("3:2")
    page.locator("[name=negative_prompt]").fill("rain")
    drop(page, encode(tmp_path, "mp4").read_bytes())
    expect(page.get_by_text("This file has no settings")).to_be_visible()
    expect(page.locator("[name=negative_prompt]")).to_have_value("rain")


@pytest.mark.thorough
def test_a_file_that_the_site_would_refuse_is_not_sent_and_nothing_typed_is_lost(signed_up):
    page = signed_up
    page.goto("/create/?mode=advanced")
    page.locator("[name=prompt]").fill("a red heart")
    drop_zeros(page, 70)
    expect(page.get_by_role("alert").get_by_text("This file is larger than 64 MB")).to_be_visible()
    expect(page.locator("[name=video_file]")).to_have_js_property("value", "")
    expect(page.locator("[name=prompt]")).to_have_value("a red heart")
    drop_zeros(page, 1)
    expect(page.get_by_text("This file has no settings")).to_be_visible()
    expect(page.get_by_text("This file is larger")).to_have_count(0)
    page.goto("/create/many/")
    drop_zeros(page, 11)
    expect(page.get_by_role("alert").get_by_text("A file may be at most 10 MiB")).to_be_visible()
    expect(page.locator("[name=file]")).to_have_js_property("value", "")


def drop_zeros(page, megabytes: int) -> None:
    page.evaluate(
        """megabytes => {
            const dataTransfer = new DataTransfer();
            dataTransfer.items.add(new File([new Uint8Array(megabytes * 2 ** 20)], "clip.mp4", { type: "video/mp4" }));
            document.body.dispatchEvent(new DragEvent("drop", { dataTransfer, bubbles: true, cancelable: true }));
        }""",
        megabytes,
    )


def drop(page, content: bytes) -> None:
    page.evaluate(
        """content => {
            const bytes = Uint8Array.from(atob(content), (character) => character.charCodeAt(0));
            const dataTransfer = new DataTransfer();
            dataTransfer.items.add(new File([bytes], "clip.mp4", { type: "video/mp4" }));
            for (const type of ["dragover", "drop"]) {
                document.body.dispatchEvent(new DragEvent(type, { dataTransfer, bubbles: true, cancelable: true }));
            }
        }""",
        base64.b64encode(content).decode(),
    )


def test_enter_in_the_name_of_a_preset_saves_it_and_queues_nothing(signed_up):
    page = signed_up
    page.goto("/create/?mode=simple")
    page.locator("[name=prompt]").fill("a red heart")
    page.get_by_text("Presets and files").click()
    page.locator("[name=preset_name]").fill("Evening")
    page.locator("[name=preset_name]").press("Enter")
    expect(page.get_by_text("The preset Evening was saved.")).to_be_visible()
    expect(page.locator("[name=prompt]")).to_have_value("a red heart")
    page.get_by_text("Presets and files").click()
    page.get_by_role("button", name="Evening").click()
    expect(page.locator("[name=prompt]")).to_have_value("a red heart")


def test_pasted_lines_become_a_batch_that_can_be_cancelled_as_a_whole(signed_up):
    page = signed_up
    page.goto("/create/many/")
    page.locator("[name=lines]").fill("prompt,fps\na red heart,8\na blue star,7\n")
    page.get_by_role("button", name="Make the clips").click()
    expect(page.get_by_text("Line 3, fps:")).to_be_visible()
    page.locator("[name=lines]").fill("prompt,fps\na red heart,8\na blue star,8\n")
    page.get_by_role("button", name="Make the clips").click()
    expect(page).to_have_url(re.compile("/batches/[0-9a-f-]{36}/$"))
    expect(page.locator(".job")).to_have_count(2)
    page.get_by_role("button", name="Cancel the rest").click()
    expect(page.get_by_text("2 of 2 clips have ended")).to_be_visible()
