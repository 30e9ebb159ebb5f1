"""Making clips without leaving the create page: its feed, its draft, recent prompts, and the button always in view."""

import re

import pytest
from playwright.sync_api import expect

from tests.e2e.conftest import open_page
from tests.e2e.creating import cards, make, sign_up
from tests.e2e.patience import until
from tests.e2e.soundness import too_wide, violations
from tests.site import PASSWORD

pytestmark = pytest.mark.e2e

SIZES = ((390, 844), (768, 1024), (1440, 900))
FINISHED = """
from django.utils import timezone
from accounts.models import User
from tests.e2e.library_site import SCENES, store_clip
from tests.factories import JobFactory, VideoFactory
user = User.objects.get(username={name!r})
job = JobFactory(user=user, status="done", ended_at=timezone.now(), seen_at=timezone.now())
VideoFactory(user=user, job=job, request=job.request, **store_clip(77, SCENES[0], 128, 128))
print(job.pk)
"""
TYPED = "a large green cross falling in the desert"


@pytest.fixture
def signed_up(quick_page):
    """Return a page just after signing up, with its user's name."""
    quick_page.user_name = sign_up(quick_page)
    return quick_page


def prompt(page):
    return page.locator("[name=prompt]")


def draft(page) -> str:
    return page.evaluate("localStorage.getItem('create-draft') ?? ''")


def reopened(page, path: str = "/create/"):
    """Close the tab and open the page in a new one."""
    again = page.context.new_page()
    page.close()
    again.goto(path)
    return again


def is_in_view(locator) -> bool:
    """Return whether something can be seen, and pressed, without scrolling."""
    return locator.evaluate(
        """button => {
            const box = button.getBoundingClientRect();
            const at = document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2);
            return box.top >= 0 && box.bottom <= innerHeight && button.contains(at);
        }"""
    )


def test_three_submissions_without_leaving_the_page_and_the_cards_live_on(signed_up):
    page, navigations = signed_up, []
    expect(page.locator("#latest")).to_be_hidden()
    page.on("framenavigated", lambda frame: navigations.append(frame.url))
    prompt(page).fill("a small blue star")
    make(page)
    expect(cards(page)).to_have_count(1)
    expect(page.locator("#create-status")).to_contain_text("1 clip is queued.")
    page.locator("[name=variations][value='2']").check()
    prompt(page).fill("a large red heart")
    prompt(page).press("Control+Enter")
    expect(cards(page)).to_have_count(3)
    expect(page.locator("#create-status")).to_contain_text("2 clips are queued.")
    page.locator("[name=variations][value='1']").check()
    make(page)
    expect(cards(page)).to_have_count(4)
    expect(cards(page).first).to_contain_text("a large red heart")
    expect(cards(page).last).to_contain_text("a small blue star")
    expect(prompt(page)).to_have_value("a large red heart")
    expect(page.locator("#create-time")).to_contain_text(re.compile(r"\d+ clips ahead in the queue"))

    newest = cards(page).first
    newest.get_by_role("button", name="Cancel").click()
    expect(newest).to_have_attribute("data-status", "cancelled")
    expect(page.locator("#create-status")).to_be_empty()  # what it told of has ended
    newest.get_by_role("button", name="Render again").click()
    expect(newest).to_have_attribute("data-status", "queued")

    elsewhere = page.context.new_page()
    elsewhere.goto("/jobs/")
    job = cards(page).last.get_attribute("id")
    elsewhere.locator(f"#{job}").get_by_role("button", name="Cancel").click()
    expect(page.locator(f"#{job}")).to_have_attribute("data-status", "cancelled")
    page.locator(f"#{job}").get_by_role("button", name="Remove from the list").click()
    expect(cards(page)).to_have_count(3)
    assert navigations == []
    assert violations(page) == []
    assert too_wide(page) == []
    newest.get_by_role("link", name="Change").click()
    expect(page).to_have_url(re.compile(r"/create/\?from="))
    expect(prompt(page)).to_have_value("a large red heart")


@pytest.mark.thorough
def test_a_finished_clip_is_deleted_restored_and_run_again_without_leaving_the_page(signed_up, pages_only):
    page, navigations = signed_up, []
    job = pages_only.python(FINISHED.format(name=page.user_name)).strip()
    page.goto("/create/?mode=simple")
    prompt(page).fill(TYPED)
    page.on("framenavigated", lambda frame: navigations.append(frame.url))
    card = page.locator(f"#job-{job}")
    card.get_by_role("button", name="Delete").click()
    expect(card.locator("video")).to_have_count(0)
    card.get_by_role("button", name="Restore").click()
    expect(card.locator("video")).to_have_count(1)
    card.get_by_role("button", name="Run again").click()
    expect(cards(page)).to_have_count(2)
    expect(cards(page).first).to_have_attribute("data-status", "queued")
    expect(prompt(page)).to_have_value(TYPED)
    until(page, lambda: TYPED in draft(page), "the draft is gone")
    assert navigations == []


@pytest.mark.thorough
def test_the_message_that_a_clip_is_queued_leaves_when_it_has_ended(signed_up):
    page = signed_up
    prompt(page).fill("a pink circle")
    page.evaluate("document.getElementById('create-form').submit()")  # as without the script
    expect(page.get_by_text("Your clip is queued.")).to_be_visible()
    page.locator(".job").get_by_role("button", name="Cancel").click()
    expect(page.locator(".job")).to_have_attribute("data-status", "cancelled")
    expect(page.get_by_text("Your clip is queued.")).to_have_count(0)


def test_a_double_click_queues_once(signed_up):
    page = signed_up
    prompt(page).fill("a pink circle")
    page.locator("[data-make]").dblclick()
    expect(cards(page)).to_have_count(1)
    page.reload()
    expect(cards(page)).to_have_count(1)


@pytest.mark.thorough
def test_complaints_come_into_the_form_and_the_feed_stays(signed_up):
    page = signed_up
    prompt(page).fill("a pink circle")
    make(page)
    expect(cards(page)).to_have_count(1)
    prompt(page).fill("")
    make(page)
    expect(page.get_by_text("Describe what the clip should show")).to_be_visible()
    expect(prompt(page)).to_be_focused()
    expect(cards(page)).to_have_count(1)
    prompt(page).fill("a yellow square")
    expect(page.locator("#summary")).to_contain_text("Generate")
    make(page)
    expect(cards(page)).to_have_count(2)
    expect(page.get_by_text("Describe what the clip should show")).to_have_count(0)


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_the_button_and_the_time_are_in_view_without_scrolling(signed_up, width, height):
    page = signed_up
    page.set_viewport_size({"width": width, "height": height})
    for mode in ("simple", "advanced"):
        page.goto(f"/create/?mode={mode}")
        for part in ("[data-make]", "#create-time"):
            until(page, lambda part=part: is_in_view(page.locator(part)), (mode, part))


def test_what_was_typed_is_there_after_leaving_and_closing_the_tab(signed_up):
    page = signed_up
    prompt(page).fill(TYPED)
    page.locator("[name=quality][value=draft]").check()
    page.locator("[name=variations][value='4']").check()
    page.get_by_role("link", name="Library", exact=True).click()
    page.get_by_role("link", name="Create", exact=True).click()
    for _ in range(2):
        expect(prompt(page)).to_have_value(TYPED)
        expect(page.locator("[name=quality][value=draft]")).to_be_checked()
        expect(page.locator("[name=variations][value='4']")).to_be_checked()
        expect(page.locator("#create-time")).to_contain_text("4 clips")
        page = reopened(page)
    make(page)
    expect(cards(page)).to_have_count(4)
    page.goto("/create/")
    expect(prompt(page)).to_have_value("")  # it is a clip now, no draft


@pytest.mark.thorough
def test_the_draft_of_the_advanced_form_comes_back_in_either_mode(signed_up):
    page = signed_up
    page.goto("/create/?mode=advanced")
    prompt(page).fill(TYPED)
    page.locator("[name=seed]").fill("12")
    page.locator("[name=steps]").fill("9")
    page.goto("/jobs/")
    page.goto("/create/")
    expect(page.locator("[name=steps]")).to_have_value("9")
    page.goto("/create/?mode=simple")
    expect(prompt(page)).to_have_value(TYPED)
    expect(page.get_by_text("seed 12")).to_be_visible()


@pytest.mark.thorough
def test_what_a_link_gives_goes_before_the_draft_and_does_not_replace_it(signed_up):
    page = signed_up
    prompt(page).fill(TYPED)
    page.goto("/create/?prompt=a+star")
    expect(prompt(page)).to_have_value("a star")
    page.goto("/create/")
    expect(prompt(page)).to_have_value(TYPED)


@pytest.mark.thorough
def test_the_draft_survives_the_end_of_the_session_and_only_its_writer_sees_it(browser, pages_only, signed_up):
    page = signed_up
    page.goto("/create/?mode=advanced")
    prompt(page).fill(TYPED)
    page.locator("[name=seed]").fill("12")
    page.goto("/jobs/")
    page.context.clear_cookies()
    page.goto("/create/")
    page.locator("[name=login]").fill(page.user_name)
    page.locator("[name=password]").fill(PASSWORD)
    page.get_by_role("main").get_by_role("button", name="Sign in").first.click()
    expect(prompt(page)).to_have_value(TYPED)
    expect(page.locator("[name=seed]")).to_have_value("12")

    page.context.clear_cookies()
    sign_up(page)
    expect(page.locator("#create-time")).not_to_be_empty()
    expect(prompt(page)).to_have_value("")
    until(page, lambda: not draft(page), "the draft of somebody else is still there")


@pytest.mark.thorough
def test_signing_out_deletes_the_draft_up_to_its_last_word(signed_up):
    page = signed_up
    prompt(page).fill("a large")
    page.wait_for_function("() => localStorage.getItem('create-draft') !== null")
    prompt(page).evaluate(
        """(field, text) => {
            field.value = text;
            field.dispatchEvent(new Event("input", {bubbles: true}));
            document.querySelector("form[action$='/logout/']").requestSubmit();
        }""",
        TYPED,
    )
    expect(page.get_by_role("banner").get_by_role("link", name="Sign up")).to_be_visible()
    assert not draft(page)


@pytest.mark.thorough
@pytest.mark.parametrize(("where", "button"), [("deactivate", "Deactivate account"), ("delete", "Delete everything")])
def test_a_closed_account_leaves_nothing_in_the_browser(signed_up, where, button):
    page = signed_up
    prompt(page).fill(TYPED)
    page.goto(f"/settings/{where}/")
    page.evaluate("localStorage.setItem('push', 'https://push.example/1'); sessionStorage.setItem('push-tried', 'yes')")
    if where == "delete":
        page.locator("[name=password]").fill("not the password")
        page.get_by_role("button", name=button).click()
        expect(page.get_by_text("Incorrect password.")).to_be_visible()
        assert TYPED in page.evaluate("localStorage.getItem('create-draft')"), "the account is still there"
        page.locator("[name=password]").fill(PASSWORD)
    page.get_by_role("main").get_by_role("button", name=button).click()
    expect(page.get_by_role("banner").get_by_role("link", name="Sign up")).to_be_visible()
    left = set(page.evaluate("[...Object.keys(localStorage), ...Object.keys(sessionStorage)]"))
    left -= {"htmx-current-path-for-history"}  # of the page that is open now
    assert left == (set() if where == "delete" else {"push", "push-tried"})


@pytest.mark.thorough
def test_the_arrow_up_brings_back_recent_prompts(signed_up):
    page = signed_up
    for text in ("a red heart", "a blue star"):
        prompt(page).fill(text)
        make(page)
        expect(cards(page).first).to_contain_text(text)
    prompt(page).fill("")
    for key, text in (("ArrowUp", "a blue star"), ("ArrowUp", "a red heart"), ("ArrowUp", "a red heart")):
        prompt(page).press(key)
        expect(prompt(page)).to_have_value(text)
    expect(page.locator("#recent-status")).to_have_text("Recent prompt 2/2: a red heart")
    prompt(page).press("ArrowDown")
    expect(prompt(page)).to_have_value("a blue star")
    prompt(page).press("End")
    prompt(page).press_sequentially("!")
    prompt(page).press("ArrowUp")
    expect(prompt(page)).to_have_value("a blue star!")
    page.get_by_text("Recent prompts").click()
    assert violations(page) == []
    page.locator("#recent-prompts").get_by_role("link", name="a red heart").click()
    expect(prompt(page)).to_have_value("a red heart")
    expect(prompt(page)).to_be_focused()


@pytest.mark.thorough
def test_without_javascript_there_are_variations_recent_prompts_and_the_feed(browser, pages_only, signed_up):
    state = signed_up.context.storage_state()
    with open_page(browser, pages_only, java_script_enabled=False, storage_state=state) as page:
        page.goto("/create/?mode=simple")
        prompt(page).fill("a red heart")
        page.locator("[name=variations][value='2']").check()
        make(page)
        expect(page).to_have_url(re.compile("/jobs/$"))
        expect(page.get_by_text("2 clips are queued.")).to_be_visible()
        page.goto("/create/")
        expect(cards(page)).to_have_count(2)
        page.get_by_text("Recent prompts").click()
        page.locator("#recent-prompts").get_by_role("link", name="a red heart").click()
        expect(prompt(page)).to_have_value("a red heart")
