"""The library as people use it: browse, search, filter and scroll, also without JavaScript."""

import re
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import expect

from tests.e2e.library_pages import A_PAGE, all_titles, bar, card, cards, choose, titles
from tests.e2e.patience import until
from tests.e2e.soundness import too_wide

pytestmark = pytest.mark.e2e

PEOPLE = {**dict.fromkeys(("looker", "weigher", "finder", "plain"), A_PAGE), "scroller": 60, "empty": 0, "leaver": 3}
MAX_BYTES = 3_000_000


def test_a_card_moves_under_the_pointer_and_in_focus_by_its_small_preview(visit):
    with visit("looker") as page:
        asked = []
        page.on("request", lambda request: asked.append(urlsplit(request.url).path))
        first, second = card(page, "Clip 1"), card(page, "Clip 2")
        first.hover()
        expect(first.locator(".card__preview")).to_be_visible()
        assert first.locator(".card__preview").evaluate("image => image.decode().then(() => image.naturalWidth)") > 100
        second.get_by_role("link").focus()
        expect(second.locator(".card__preview")).to_be_visible()
        page.get_by_role("heading", level=1).hover()
        expect(first.locator(".card__preview")).to_have_count(0)
        expect(second.locator(".card__preview")).to_have_count(1)
        page.get_by_role("searchbox").focus()
        expect(page.locator(".card__preview")).to_have_count(0)
        previews = [path for path in asked if path.endswith("/preview/")]
        assert len(previews) == 2
        assert not [path for path in asked if path.endswith(("/file/", "/download/"))]


def test_reduced_motion_stops_the_previews(visit):
    with visit("looker", reduced_motion="reduce") as page:
        card(page, "Clip 1").hover()
        card(page, "Clip 2").get_by_role("link").focus()
        expect(page.locator(".card__preview")).to_have_count(0)
        page.emulate_media(reduced_motion="no-preference")
        card(page, "Clip 3").hover()
        expect(card(page, "Clip 3").locator(".card__preview")).to_be_visible()
        expect(page.locator(".card__preview")).to_have_count(1)


@pytest.mark.thorough
def test_a_page_on_which_every_card_was_hovered_weighs_less_than_three_megabytes(visit):
    with visit("weigher", path="about:blank") as page:
        network, weight, addresses = page.context.new_cdp_session(page), {}, {}
        network.send("Network.enable")
        network.send("Network.setCacheDisabled", {"cacheDisabled": True})
        network.on(
            "Network.requestWillBeSent", lambda sent: addresses.update({sent["requestId"]: sent["request"]["url"]})
        )
        network.on(
            "Network.loadingFinished",
            lambda done: weight.update({addresses.get(done["requestId"], "?"): int(done["encodedDataLength"])}),
        )
        page.goto("/videos/")
        expect(cards(page)).to_have_count(A_PAGE)
        for one in cards(page).all():
            one.scroll_into_view_if_needed()
            one.hover()
            one.locator(".card__preview").evaluate("image => image.decode()")

        def kinds() -> list[str]:
            return [urlsplit(url).path.rstrip("/").rsplit("/", 1)[-1] for url in weight]

        # An image may be shown before the developer tools tell of its last byte.
        until(page, lambda: kinds().count("preview") == kinds().count("thumbnail") == A_PAGE, kinds)
        assert "file" not in kinds()
        assert 1_000_000 < sum(weight.values()) < MAX_BYTES, sum(weight.values())


def test_what_is_typed_and_chosen_narrows_the_grid_and_the_address(visit):
    with visit("finder") as page:
        page.evaluate("window.sameDocument = true")
        page.get_by_role("searchbox").press_sequentially("heart", delay=10)
        expect(cards(page)).to_have_count(8)
        expect(page).to_have_url(re.compile(r"/videos/\?q=heart$"))
        page.get_by_label("Sort by").select_option(label="Largest file first")
        expect(page).to_have_url(re.compile(r"/videos/\?q=heart&sort=largest$"))
        expect(cards(page).first).to_contain_text("Clip 24")
        page.get_by_label("Format").select_option("gif")
        expect(page.get_by_role("heading", name="No clips match")).to_be_visible()
        expect(page.locator("#library-says")).to_have_text("No clips match.")
        assert page.evaluate("window.sameDocument") is True
        page.get_by_role("link", name="Without: Format: GIF").click()
        expect(cards(page)).to_have_count(8)
        expect(page.get_by_role("searchbox")).to_have_value("heart")


def test_on_a_phone_the_filters_are_folded_away_until_they_are_used(visit):
    with visit("finder", viewport={"width": 360, "height": 700}) as page:
        expect(page.get_by_label("Format")).to_be_hidden()
        page.get_by_text("Filters and sorting").click()
        page.get_by_label("Sort by").select_option("oldest")
        expect(page).to_have_url(re.compile("sort=oldest"))
        page.reload()
        expect(page.get_by_label("Sort by")).to_have_value("oldest")
        expect(page.get_by_label("Sort by")).to_be_visible()
        assert too_wide(page) == []


def test_going_back_leads_to_what_was_found_before(visit):
    with visit("finder") as page:
        page.get_by_role("searchbox").press_sequentially("star", delay=10)
        expect(cards(page)).to_have_count(8)
        page.get_by_label("Sort by").select_option("oldest")
        expect(page).to_have_url(re.compile("sort=oldest"))
        page.go_back()
        expect(page).to_have_url(re.compile(r"\?q=star$"))
        expect(page.get_by_label("Sort by")).to_have_value("newest")
        expect(all_titles(page).first).to_have_text("Clip 1")
        page.go_back()
        expect(cards(page)).to_have_count(A_PAGE)
        expect(page.get_by_role("searchbox")).to_have_value("")


def test_favourites_are_marked_in_place_and_found(visit):
    with visit("finder") as page:
        page.evaluate("window.sameDocument = true")
        star = card(page, "Clip 5").get_by_role("button", name="Favourite: Clip 5")
        expect(star).to_have_attribute("aria-pressed", "false")
        star.press("Enter")
        expect(star).to_have_attribute("aria-pressed", "true")
        expect(star).to_be_focused()
        page.get_by_label("Favourites only").check()
        expect(cards(page)).to_have_count(1)
        assert titles(page) == ["Clip 5"]
        assert page.evaluate("window.sameDocument") is True
        page.reload()
        star = card(page, "Clip 5").get_by_role("button", name="Favourite: Clip 5")
        star.click()
        expect(star).to_have_attribute("aria-pressed", "false")


def test_an_empty_library_says_what_to_do(visit):
    with visit("empty") as page:
        page.get_by_role("link", name="Create your first clip").click()
        expect(page).to_have_url(re.compile("/create/$"))


def test_the_grid_goes_on_as_it_is_scrolled_and_says_so(visit):
    with visit("scroller") as page:
        assert titles(page) == [f"Clip {n}" for n in range(1, A_PAGE + 1)]
        for shown in (48, 60):
            page.locator("#older").scroll_into_view_if_needed()
            expect(cards(page)).to_have_count(shown)
        assert titles(page) == [f"Clip {n}" for n in range(1, 61)]
        expect(page.locator("#older")).to_have_count(0)
        expect(page.locator("#library-says")).to_have_text(re.compile(r"12 more clips\.\s+That is everything\."))


def test_going_back_from_a_video_keeps_the_place_in_the_grid(visit):
    """On the second page, 26 is at the top: the offset it had in the longer grid shows the page's end."""
    with visit("scroller") as page:
        page.locator("#older").scroll_into_view_if_needed()
        expect(cards(page)).to_have_count(48)
        page.get_by_role("link", name="Clip 26", exact=True).click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Clip 26")
        page.go_back()
        page.wait_for_load_state("networkidle")  # until then, the browser restores offsets and the grid grows
        expect(card(page, "Clip 26")).to_be_in_viewport()
        page.evaluate("scrollTo(0, 0)")
        page.reload()
        page.wait_for_load_state("networkidle")
        expect(page.get_by_role("heading", level=1)).to_be_in_viewport()  # only coming back leads to the clip


def test_a_filter_goes_on_being_one_while_scrolling(visit):
    with visit("scroller", path="/videos/?q=clip&sort=oldest") as page:
        page.locator("#older").scroll_into_view_if_needed()
        expect(cards(page)).to_have_count(48)
        assert titles(page) == [f"Clip {n}" for n in range(60, 12, -1)]


def test_a_signed_out_user_is_asked_to_sign_in(visit, library_site):
    with visit("leaver") as page:
        page.context.clear_cookies(name="sessionid")
        page.get_by_label("Format").select_option("gif")
        expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")
        expect(page).to_have_url(re.compile("/accounts/login/"))


@pytest.mark.thorough
def test_everything_works_without_javascript(visit):
    with visit("plain", java_script_enabled=False) as page:
        page.get_by_role("searchbox").fill("heart")
        page.get_by_label("Sort by").select_option("oldest")
        page.get_by_role("button", name="Search").click()
        expect(all_titles(page).first).to_have_text("Clip 24")
        card(page, "Clip 24").get_by_role("button", name="Favourite: Clip 24").click()
        expect(page).to_have_url(re.compile("q=heart.*sort=oldest"))
        expect(card(page, "Clip 24").locator(".favourite")).to_have_attribute("aria-pressed", "true")

        choose(page, "Clip 24", "Clip 21")
        page.wait_for_load_state("networkidle")
        bar(page).get_by_role("button", name="Delete", exact=True).click()
        expect(cards(page)).to_have_count(6)
        page.get_by_role("button", name="Undo").click()
        expect(cards(page)).to_have_count(8)

        choose(page, "Clip 24")
        bar(page).get_by_role("button", name="Add to a collection").click()
        page.get_by_label("Name of the new collection").fill("Plain")
        page.get_by_role("button", name="Add", exact=True).click()
        expect(page.locator(".messages")).to_contain_text("1 clip was added to “Plain”.")

        page.get_by_role("link", name="Clip 24", exact=True).click()
        page.get_by_role("link", name="Rename").click()
        page.get_by_label("Title").fill("Without scripts")
        page.get_by_role("button", name="Save", exact=True).click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Without scripts")

        page.goto("/videos/")
        bar(page).get_by_role("button", name="Delete", exact=True).click()
        expect(page.locator(".messages")).to_contain_text("Select at least one clip first.")


@pytest.mark.thorough
def test_older_and_newer_are_links_without_javascript(visit):
    with visit("scroller", java_script_enabled=False) as page:
        every = [f"Clip {n}" for n in range(1, 61)]
        expect(all_titles(page)).to_have_text(every[:24])
        for shown in (every[24:48], every[48:]):
            page.get_by_role("link", name="Older").click()
            expect(all_titles(page)).to_have_text(shown)
        page.get_by_role("link", name="Newer").click()
        expect(all_titles(page)).to_have_text(every[24:48])
