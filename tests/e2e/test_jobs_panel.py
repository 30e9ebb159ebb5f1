"""The jobs panel on every page: it follows the socket without disturbing its user, and notifies users in other tabs."""

import pytest
from playwright.sync_api import expect

from tests.e2e.live_page import ELSEWHERE, JOB, PROMPT, UUID, a_panel, open_jobs_page, panel_fragment, row, row_fragment

pytestmark = pytest.mark.e2e

OLD = row(3, status="failed", id=UUID(int=7), ended=1_700_000_000)
# Records the notifications that the system would show; the permission is the one the user gave earlier.
NOTED = """
    window.notes = [];
    Object.defineProperty(window, "isSecureContext", { value: true });
    window.Notification = class extends EventTarget {
        static permission = "granted";
        static async requestPermission() { return Notification.permission; }
        constructor(title, options) { super(); window.notes.push([title, options.body]); }
    };
"""

# Counts the tones that would be heard.
PLAYED = """
    window.tones = 0;
    const create = AudioContext.prototype.createOscillator;
    AudioContext.prototype.createOscillator = function () { window.tones += 1; return create.call(this); };
"""


@pytest.fixture
def jobs_page(browser):
    with open_jobs_page(browser, panel=a_panel(row(5, 300), OLD), script=NOTED) as page:
        yield page


@pytest.fixture
def panel(jobs_page):
    return jobs_page.page.locator("#active-jobs")


def finished(ended: int = 1_700_000_060, **changes):
    return row(6, status="done", ended=ended, **changes)


def ask_to_be_told(jobs_page, panel) -> None:
    panel.locator("summary").click()
    panel.get_by_role("switch", name="Notify").click()
    expect(panel.get_by_role("switch", name="Notify")).to_have_attribute("aria-checked", "true")
    panel.locator("summary").click()


def test_the_numbers_follow(jobs_page, panel):
    expect(panel.locator("summary")).to_contain_text("1 in progress")
    jobs_page.send(panel_fragment(row(5, 300), row(2, 0, "queued", id=ELSEWHERE), finished(id=UUID(int=9))))
    expect(panel.locator("summary")).to_contain_text("2 in progress")
    expect(panel.locator("summary")).to_contain_text("1 new")
    jobs_page.send(panel_fragment())
    expect(panel).to_be_hidden()


def test_an_open_panel_stays_open_keeps_the_focus_and_its_place_while_it_changes(jobs_page, panel):
    others = [row(1, 0, "queued", id=UUID(int=20 + n)) for n in range(5)]
    jobs_page.page.set_viewport_size({"width": 1280, "height": 320})
    jobs_page.send(panel_fragment(row(5, 300), *others, OLD))
    panel.locator("summary").click()
    expect(panel.get_by_role("list").first).to_be_visible()
    last = panel.locator(f"#active-{UUID(int=24)}").get_by_role("button")
    last.focus()
    scrolled = jobs_page.page.evaluate("document.querySelector('.active__list').scrollTop")
    assert scrolled > 0
    jobs_page.send(row_fragment(5, 400))
    jobs_page.send(panel_fragment(row(1, 0, "running", id=ELSEWHERE), row(5, 500), *others))
    expect(last).to_be_focused()
    assert panel.get_attribute("open") is not None
    expect(panel.locator(".active__row")).to_have_count(7)
    expect(panel.get_by_role("progressbar").nth(1)).to_have_attribute("value", "500")
    jobs_page.send(panel_fragment(row(5, 500)))
    expect(panel.locator("summary")).to_be_focused()


def test_what_comes_late_never_takes_a_row_back(jobs_page, panel):
    jobs_page.send(row_fragment(5, 200))
    jobs_page.send(panel_fragment(row(4, 900), OLD))
    expect(panel.locator(f"#active-{JOB}")).to_have_attribute("data-progress", "300")


def test_opening_the_panel_is_seeing_what_is_new_and_the_mark_stays_while_it_is_open(jobs_page, panel):
    jobs_page.send(panel_fragment(finished(), OLD))
    badge = panel.locator(f"#active-{JOB} .badge--new")
    with jobs_page.page.expect_request("**/jobs/seen/") as told:
        panel.locator("summary").click()
    assert str(JOB) in told.value.post_data
    assert told.value.headers["x-csrftoken"] == "token-of-the-page"
    seen = finished()
    seen.job.version, seen.job.seen_at = 7, seen.job.ended_at
    jobs_page.send(panel_fragment(seen))
    expect(badge).to_be_visible()
    panel.locator("summary").click()
    panel.locator("summary").click()
    expect(panel.locator(f"#active-{JOB}")).to_be_visible()
    expect(badge).to_be_hidden()


def test_a_job_that_ends_on_its_own_page_is_not_new(browser):
    with open_jobs_page(browser, alone=True) as opened:
        opened.hide()
        opened.send(panel_fragment(finished()))
        with opened.page.expect_request("**/jobs/seen/") as told:
            opened.hide(False)
        assert str(JOB) in told.value.post_data


def test_an_end_on_the_list_is_new_until_it_is_looked_at(jobs_page, panel):
    told = []
    jobs_page.page.on("request", lambda request: told.append(("told", request.url)))
    jobs_page.send(panel_fragment(finished(), OLD))
    with jobs_page.page.expect_request("**/jobs/seen/"):
        told.append(("looked", ""))
        panel.locator("summary").click()
    steps = [step for step, url in told if step == "looked" or url.endswith("/seen/")]
    assert steps == ["looked", "told"]


def test_an_end_is_announced_once_and_an_old_one_not_at_all(jobs_page, panel):
    heard = jobs_page.listen()
    jobs_page.send(panel_fragment(row(5, 300), OLD))
    older = row(3, status="done", id=UUID(int=8), ended=1_600_000_000)  # moved up because another row was removed
    jobs_page.send(panel_fragment(finished(), OLD, older))
    jobs_page.send(panel_fragment(finished(), OLD, older))
    jobs_page.page.wait_for_function("heard.length > 0")
    jobs_page.send(panel_fragment(finished(), row(6, status="failed", id=ELSEWHERE, ended=1_700_000_090), OLD, older))
    jobs_page.page.wait_for_function("heard.length > 1")
    assert heard() == [f"Your clip is ready: {PROMPT}", f"Your clip failed: {PROMPT}"]


def test_the_title_of_a_tab_that_was_left_shows_how_far_it_is_and_what_has_finished(jobs_page):
    now, title = jobs_page.page.title().split(" · ", 1)
    assert now == "30 %", "in front, too"
    jobs_page.hide()
    assert jobs_page.page.title() == f"30 % · {title}"
    jobs_page.send(row_fragment(5, 420))
    assert jobs_page.page.title() == f"42 % · {title}"
    jobs_page.send(panel_fragment(finished(), OLD))
    assert jobs_page.page.title() == f"✓ · {title}"
    jobs_page.hide(False)
    assert jobs_page.page.title() == title


def icon_of(jobs_page):
    return jobs_page.page.locator("link[rel=icon]").get_attribute("href")


def test_the_icon_of_the_tab_shows_how_far_it_is_and_what_has_finished(jobs_page):
    assert icon_of(jobs_page).endswith("badges/2.svg")
    jobs_page.hide()
    jobs_page.send(row_fragment(5, 900))
    assert icon_of(jobs_page).endswith("badges/7.svg")
    jobs_page.send(panel_fragment(finished(), OLD))
    assert icon_of(jobs_page).endswith("badges/done.svg")
    jobs_page.hide(False)
    assert icon_of(jobs_page).endswith("favicon.svg")


def tones(jobs_page) -> int:
    return jobs_page.page.evaluate("window.tones")


def test_a_sound_is_played_only_when_switched_on_and_once_for_all_tabs(browser):
    with open_jobs_page(browser, panel=a_panel(row(5, 300), OLD), script=PLAYED) as opened:
        opened.send(panel_fragment(finished(ended=1_700_000_001), OLD))
        assert tones(opened) == 0, "it is off"
        opened.page.locator("#active-jobs summary").click()
        switch = opened.page.locator("[data-sound]")
        expect(switch).to_have_attribute("aria-checked", "false")
        switch.click()
        expect(switch).to_have_attribute("aria-checked", "true")
        opened.page.wait_for_function("window.tones === 2")
        opened.send(panel_fragment(finished(ended=1_700_000_090), OLD))
        opened.page.wait_for_function("window.tones === 4")
        known = opened.page.evaluate("localStorage.getItem('sounded')")
        assert "1700000090" in known, "so that other tabs are silent"
        switch.click()
        opened.send(panel_fragment(finished(ended=1_700_000_120), OLD))
        assert tones(opened) == 4


def test_a_notification_comes_only_when_asked_for_and_only_when_nobody_looks(jobs_page, panel):
    jobs_page.hide()
    jobs_page.send(panel_fragment(finished(ended=1_700_000_001), OLD))
    assert jobs_page.page.evaluate("notes") == []
    jobs_page.hide(False)
    ask_to_be_told(jobs_page, panel)
    jobs_page.send(panel_fragment(finished(ended=1_700_000_002), OLD))
    assert jobs_page.page.evaluate("notes") == []
    jobs_page.hide()
    jobs_page.send(panel_fragment(finished(ended=1_700_000_003), OLD))
    assert jobs_page.page.evaluate("notes") == [["Your clip is ready", PROMPT]]


def test_the_wish_to_be_told_is_remembered_and_can_be_taken_back(jobs_page, panel):
    ask_to_be_told(jobs_page, panel)
    jobs_page.page.reload()
    panel.locator("summary").click()
    switch = panel.get_by_role("switch", name="Notify me when a clip is finished")
    expect(switch).to_have_attribute("aria-checked", "true")
    switch.click()
    expect(switch).to_have_attribute("aria-checked", "false")
    jobs_page.hide()
    jobs_page.send(panel_fragment(finished(), OLD))
    assert jobs_page.page.evaluate("notes") == []


def test_a_browser_that_refuses_says_so_where_it_was_asked(jobs_page, panel):
    jobs_page.page.evaluate("Notification.permission = 'denied'")
    panel.locator("summary").click()
    panel.get_by_role("switch", name="Notify").click()
    expect(panel.get_by_text("does not allow notifications")).to_be_visible()
    expect(panel.get_by_role("switch", name="Notify")).to_have_attribute("aria-checked", "false")


def test_cancelling_in_the_panel_takes_the_row_away_and_leaves_the_panel_open(jobs_page, panel):
    jobs_page.answers[f"/jobs/{JOB}/cancel/"] = panel_fragment(OLD)
    panel.locator("summary").click()
    panel.get_by_role("button", name="Cancel").click()
    expect(panel.locator(f"#active-{JOB}")).to_have_count(0)
    expect(panel.locator(f"#active-{OLD.job.pk}")).to_be_visible()
