"""The site without a mouse: shortcuts of one key, where they act and where they must not."""

import re

import pytest
from playwright.sync_api import expect

from tests.e2e.soundness import too_wide, violations
from tests.e2e.visits import visit

pytestmark = [pytest.mark.e2e, pytest.mark.thorough]


@pytest.fixture(scope="module")
def keys_site(pages_only):
    pages_only.python("from tests.e2e.library_site import fill; fill({'walker': 4, 'typist': 2, 'silent': 2})")
    pages_only.python(
        "from accounts.models import User; User.objects.filter(username='silent').update(single_keys=False)"
    )
    return pages_only


def at(page, text: str) -> None:
    """Expect the page with this title, and wait until its scripts listen to keys."""
    expect(page.get_by_role("heading", level=1)).to_have_text(text)
    page.wait_for_load_state("load")


def tab_to(page, name: str) -> None:
    """Press Tab until the link or button with this name has the focus."""
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.innerText?.trim()") == name:
            return
    raise AssertionError(f"Tab does not reach {name}")


def test_open_star_next_delete_and_undo_without_a_mouse(browser, keys_site):
    with visit(browser, keys_site, "walker", "/create/") as page:
        page.evaluate("document.activeElement.blur()")
        page.keyboard.press("g")
        page.keyboard.press("l")
        at(page, "Library")
        page.keyboard.press("/")
        expect(page.get_by_role("searchbox")).to_be_focused()
        page.keyboard.type("clip")
        page.wait_for_url("**/?q=clip")
        tab_to(page, "Clip 1")
        page.keyboard.press("Enter")
        at(page, "Clip 1")

        star = page.get_by_role("button", name="Favourite: Clip 1")
        page.keyboard.press("f")
        expect(star).to_have_attribute("aria-pressed", "true")
        page.keyboard.press("f")
        expect(star).to_have_attribute("aria-pressed", "false")
        page.keyboard.press("f")
        expect(star).to_have_attribute("aria-pressed", "true")

        steps = page.evaluate("history.length")
        for key, then in (("ArrowRight", "Clip 2"), ("ArrowRight", "Clip 3"), ("ArrowLeft", "Clip 2")):
            page.keyboard.press(key)
            at(page, then)
        assert page.evaluate("history.length") == steps  # going back does not walk through them all again
        page.wait_for_load_state("networkidle")  # no image may be requested after its video is deleted
        page.keyboard.press("Delete")
        at(page, "Clip 3")
        expect(page.locator(".messages")).to_contain_text("moved to the trash")
        page.keyboard.press("u")
        expect(page.locator(".messages")).to_contain_text("restored")
        at(page, "Clip 3")
        page.keyboard.press("ArrowLeft")
        at(page, "Clip 2")

        page.keyboard.press("Escape")
        expect(page).to_have_url(re.compile(r"/videos/\?q=clip#v-"))
        expect(page.locator("#cards .card")).to_have_count(4)
        page.go_back()
        at(page, "Clip 2")


def test_the_keys_are_listed(browser, keys_site):
    with visit(browser, keys_site, "typist") as page:
        keys = page.get_by_role("dialog", name="Keyboard shortcuts")
        page.keyboard.press("?")
        expect(keys).to_be_visible()
        page.keyboard.press("g")
        page.keyboard.press("c")
        at(page, "Library")
        expect(keys.locator("div", has_text="Make the clip")).to_contain_text("Ctrl Enter")
        assert violations(page) == []
        assert too_wide(page) == []
        page.keyboard.press("Escape")
        expect(keys).to_be_hidden()
        page.get_by_role("button", name="Keyboard shortcuts").click()
        expect(keys).to_be_visible()
        keys.get_by_role("button", name="Close").click()
        expect(keys).to_be_hidden()


def test_keys_do_nothing_while_typing_or_with_a_modifier_or_in_a_menu(browser, keys_site):
    with visit(browser, keys_site, "typist") as page:
        page.get_by_role("link", name="Clip 1", exact=True).click()
        at(page, "Clip 1")
        address = page.url
        page.wait_for_load_state("networkidle")
        left = []
        page.on("request", lambda request: left.append(request.url) if request.is_navigation_request() else None)
        for keys in ("Control+f", "Alt+f", "Meta+f", "Shift+F", "Control+Delete", "Shift+G", "c"):
            page.keyboard.press(keys)
        page.get_by_label("Tags").focus()
        for key in ("f", "?", "/", "g", "c", "Delete", "ArrowRight"):
            page.keyboard.press(key)
        expect(page.get_by_label("Tags")).to_have_value("f?/gc")
        page.locator("summary").filter(has_text="typist").click()
        page.keyboard.press("Escape")
        expect(page.locator("details.menu[open]")).to_have_count(0)
        page.locator("video").focus()
        page.keyboard.press("ArrowRight")
        expect(page.get_by_role("button", name="Favourite: Clip 1")).to_have_attribute("aria-pressed", "false")
        expect(page.locator("dialog[open]")).to_have_count(0)
        assert page.url == address
        assert left == []


def test_whoever_switched_the_keys_off_has_the_list_but_no_keys(browser, keys_site):
    with visit(browser, keys_site, "silent") as page:
        for key in ("/", "g", "c", "?"):
            page.keyboard.press(key)
        expect(page.get_by_role("searchbox")).not_to_be_focused()
        expect(page.locator("dialog[open]")).to_have_count(0)
        page.get_by_role("button", name="Keyboard shortcuts").click()
        dialog = page.get_by_role("dialog")
        expect(dialog).to_contain_text("You have switched these keys off.")
        dialog.get_by_role("link", name="Switch them on").click()
        page.get_by_label("Single-key shortcuts").check()
        page.get_by_role("button", name="Save").click()
        expect(page.locator(".messages")).to_contain_text("Profile saved.")
        page.wait_for_load_state("load")
        page.keyboard.press("g")
        page.keyboard.press("l")
        at(page, "Library")


def test_a_slash_on_a_page_without_a_search_leads_to_the_librarys(browser, keys_site):
    with visit(browser, keys_site, "typist", "/jobs/") as page:
        page.keyboard.press("/")
        expect(page.get_by_role("searchbox")).to_be_focused()
