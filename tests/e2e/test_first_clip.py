"""The main journey: sign up, type a sentence, watch the clip being made, play the video."""

import re
import uuid
from itertools import pairwise

import pytest
from playwright.sync_api import expect

from tests.e2e.creating import make, queue
from tests.e2e.held_stages import wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.renders]

PASSWORD = "a long enough passphrase"
RENDERED = 120_000  # milliseconds; only limits a hanging test, the figures are in docs/performance.md


@pytest.fixture
def signed_up(page):
    """Return a page just after signing up."""
    name = f"ann{uuid.uuid4().hex[:10]}"
    page.goto("/accounts/signup/")
    page.locator("[name=username]").fill(name)
    page.locator("[name=email]").fill(f"{name}@example.org")
    page.locator("[name=password1]").fill(PASSWORD)
    page.locator("[name=password2]").fill(PASSWORD)
    page.get_by_role("main").get_by_role("button", name=re.compile("sign up", re.I)).click()
    expect(page).to_have_url(re.compile("/create/$"))
    return page


def submit(page, prompt: str, **choices: str) -> str:
    """Fill in and submit the create form; return the job's ID."""
    page.goto("/create/?mode=advanced")
    page.locator("[name=prompt]").fill(prompt)
    for field, value in choices.items():
        page.locator(f"select[name={field}]").select_option(value)
    return queue(page)


def test_from_a_sentence_to_a_video_that_plays(signed_up, screenshot):
    page = signed_up
    screenshot("create")
    navigations = []
    job = submit(page, "a large red heart rising over the sea")
    page.on("framenavigated", lambda frame: navigations.append(frame.url))
    card = page.locator(f"#job-{job}")
    seen = watch(page, card, screenshot)
    assert navigations == [], "the page was reloaded"
    assert len(set(seen["progress"])) >= 5, seen
    assert_grows(seen["progress"])
    assert len(set(seen["previews"])) >= 2, "the preview did not change"
    screenshot("job-done")

    card.get_by_role("link", name="Open the clip").click()
    expect(page).to_have_url(re.compile("/videos/[0-9a-f-]{36}/$"))
    assert plays(page) == pytest.approx(2.0, abs=0.01)
    screenshot("video")

    page.goto("/videos/")
    expect(page.get_by_role("link", name=re.compile("red heart")).first).to_be_visible()
    screenshot("library")


def assert_grows(progress: list[int]) -> None:
    """Expect a bar to grow, in thousandths; what is learned of the pace meanwhile may take back a fiftieth."""
    assert all(later > earlier - 20 for earlier, later in pairwise(progress)), f"the bar went back: {progress}"


def watch(page, card, screenshot) -> dict[str, list]:
    """Follow a job to its end without reloading; return each progress value (permille) and each preview's address."""
    seen: dict[str, list] = {"progress": [], "previews": []}
    for _ in range(RENDERED // 100):
        state = card.evaluate(
            """card => ({
                status: card.dataset.status,
                progress: Number(card.dataset.progress),
                preview: card.querySelector('img[src*="/preview/"]')?.src,
            })"""
        )
        if not seen["progress"] or state["progress"] != seen["progress"][-1]:
            seen["progress"].append(state["progress"])
        if state["preview"] and state["preview"] not in seen["previews"]:
            seen["previews"].append(state["preview"])
            if len(seen["previews"]) == 2:
                screenshot("job-rendering")
        if state["status"] == "done":
            return seen
        assert state["status"] in ("queued", "running"), state
        page.wait_for_timeout(100)
    raise AssertionError(f"not done after {RENDERED} ms: {seen}")


def plays(page) -> float:
    """Play the video on the page and return its length in seconds."""
    return page.locator("video").first.evaluate(
        """async video => {
            video.muted = true;
            await video.play();
            await new Promise((resolve, reject) => {
                video.addEventListener('timeupdate', () => video.currentTime > 0.5 && resolve());
                setTimeout(() => reject(new Error('does not advance')), 10000);
            });
            return video.duration;
        }"""
    )


def test_cancelling_ends_a_clip_at_once_and_it_can_be_rendered_after_all(signed_up):
    page = signed_up
    job = submit(page, "a small blue star bouncing in the desert", seconds="6")
    card = page.locator(f"#job-{job}")
    expect(card).to_have_attribute("data-status", "running", timeout=RENDERED)
    card.get_by_role("button", name="Cancel").click()
    expect(card).to_have_attribute("data-status", "cancelled")
    card.get_by_role("button", name="Render again").click()
    expect(card).to_have_attribute("data-status", re.compile("queued|running"))
    card.get_by_role("button", name="Cancel").click()
    expect(card).to_have_attribute("data-status", "cancelled")


def test_closing_the_browser_stops_nothing_and_coming_back_shows_the_present(signed_up, site):
    page = signed_up
    job = submit(page, "a green circle on black", seconds="1", fps="8")
    page.goto("about:blank")
    status = "SELECT status FROM generation_job WHERE id = ?"
    wait_until(lambda: site.rows(status, uuid.UUID(job).hex) == [("done",)], "not rendered while nobody looked")
    page.goto("/jobs/")
    expect(page.locator(f"#job-{job}")).to_have_attribute("data-status", "done")


def test_without_javascript_the_form_still_queues_and_the_page_still_tells(browser, site, signed_up):
    context = browser.new_context(
        base_url=site.url, java_script_enabled=False, storage_state=signed_up.context.storage_state()
    )
    page = context.new_page()
    page.goto("/create/?mode=advanced")
    page.locator("[name=prompt]").fill("a pink triangle over a meadow")
    for field, value in {"seconds": "1", "fps": "8"}.items():
        page.locator(f"select[name={field}]").select_option(value)
    make(page)
    expect(page).to_have_url(re.compile("/jobs/[0-9a-f-]{36}/$"))
    job = page.url.rstrip("/").rsplit("/", 1)[1]
    for _ in range(RENDERED // 500):
        if page.locator(f"#job-{job}").get_attribute("data-status") == "done":
            break
        page.wait_for_timeout(500)
        page.reload()
    assert page.locator(f"#job-{job}").get_attribute("data-status") == "done"
    context.close()


def test_a_mistake_is_answered_at_its_field(signed_up, screenshot):
    page = signed_up
    page.goto("/create/")
    page.locator("form").evaluate_all("forms => forms.forEach(form => form.noValidate = true)")
    page.locator("[name=prompt]").fill(" ")
    page.locator("[data-make]").click()
    field = page.locator("[name=prompt]")
    expect(field).to_have_attribute("aria-invalid", "true")
    described = field.get_attribute("aria-describedby").split()
    assert any(
        "sentence" in page.locator(f"#{id}").inner_text() or page.locator(f"#{id}").inner_text() for id in described
    )
    screenshot("create-error")
