"""The page's handling of socket messages: in order, in place, and without disturbing its user.

Pages and fragments come from the real templates; the tests play the server's side of the socket, so that messages can
arrive late, twice, or for a job on another page.
"""

import pytest
from playwright.sync_api import expect

from tests.e2e.live_page import ELSEWHERE, JOB, PROMPT, UUID, fragment, open_jobs_page

pytestmark = pytest.mark.e2e


@pytest.fixture
def jobs_page(browser):
    with open_jobs_page(browser) as page:
        yield page


def test_a_newer_fragment_changes_the_page(jobs_page):
    jobs_page.send(fragment(5, 480, stage_label="Interpolating"))
    assert jobs_page.state() == ("5", "480", "running")
    expect(jobs_page.job.locator(".job__status")).to_have_text("Interpolating")
    expect(jobs_page.job.get_by_role("progressbar", name="whole clip")).to_have_attribute("value", "480")
    jobs_page.send(fragment(6, 0, "failed"))
    assert jobs_page.state() == ("6", "0", "failed")


@pytest.mark.parametrize(("version", "permille"), [(4, 999), (5, 299)])
def test_what_comes_late_never_overwrites_what_is_newer(jobs_page, version, permille):
    jobs_page.send(fragment(version, permille, "done"))
    assert jobs_page.state() == ("5", "300", "running")


def test_a_job_that_the_page_does_not_show_is_passed_over_in_silence(jobs_page):
    jobs_page.send(fragment(9, 100, id=ELSEWHERE), fragment(5, 310), fragment(1, 0, id=UUID(int=3)))
    assert jobs_page.state() == ("5", "310", "running")
    assert jobs_page.page.locator(".job").count() == 1


def test_focus_and_the_half_done_click_survive_an_update(jobs_page):
    jobs_page.answers[f"/jobs/{JOB}/cancel/"] = fragment(6, 0, "cancelled")
    button = jobs_page.job.get_by_role("button", name="Cancel")
    button.focus()
    button.hover()
    jobs_page.page.mouse.down()
    for permille in (310, 320, 330):
        jobs_page.send(fragment(5, permille))
    expect(button).to_be_focused()
    jobs_page.page.mouse.up()
    expect(jobs_page.job).to_have_attribute("data-status", "cancelled")


def test_progress_is_announced_when_a_stage_begins_and_not_with_every_step(jobs_page):
    heard = jobs_page.listen()
    for permille in (310, 320, 330):
        jobs_page.send(fragment(5, permille))
    jobs_page.send(fragment(5, 700, stage_label="Upscaling"))
    jobs_page.send(fragment(5, 710, stage_label="Upscaling"))
    jobs_page.page.wait_for_function("heard.length > 0")
    jobs_page.send(fragment(5, 950, stage_label="Assembling"))
    jobs_page.page.wait_for_function("heard.length > 1")
    assert heard() == [f"Upscaling: {PROMPT}", f"Assembling: {PROMPT}"]


def test_the_running_preview_is_replaced_only_by_a_newer_one(jobs_page):
    address = f"/jobs/{JOB}/preview/?v="
    jobs_page.send(fragment(5, 310, preview_url=f"{address}1"))
    picture = jobs_page.job.locator(".screen img").element_handle()
    jobs_page.page.evaluate(
        """picture => {
            window.reloads = 0;
            new MutationObserver(() => reloads++).observe(picture, {attributeFilter: ['src']});
        }""",
        picture,
    )
    jobs_page.send(fragment(5, 320, preview_url=f"{address}1"))
    assert jobs_page.page.evaluate("reloads") == 0
    jobs_page.send(fragment(5, 330, preview_url=f"{address}2"))
    assert jobs_page.page.evaluate("[reloads, document.querySelector('.job img').getAttribute('src')]") == [
        1,
        f"{address}2",
    ]


def test_an_answer_that_the_socket_has_overtaken_is_dropped(jobs_page):
    jobs_page.answers[f"/jobs/{JOB}/cancel/"] = fragment(6, 0, "cancelled")
    jobs_page.send(fragment(8, 0, "queued"))
    jobs_page.page.evaluate("document.addEventListener('htmx:afterRequest', () => { window.isAnswered = true; })")
    jobs_page.job.get_by_role("button", name="Cancel").click()
    jobs_page.page.wait_for_function("window.isAnswered")
    assert jobs_page.state() == ("8", "0", "queued")


def test_forms_that_came_through_the_socket_are_posted_with_the_token_of_the_page(jobs_page):
    jobs_page.send(fragment(6, 0, "failed"))
    with jobs_page.page.expect_request("**/retry/") as posted:
        jobs_page.job.get_by_role("button", name="Try again").click()
    assert posted.value.headers["x-csrftoken"] == "token-of-the-page"


@pytest.mark.parametrize("code", [1000, 1001, 1012])
def test_a_page_comes_back_after_any_end_of_the_connection(jobs_page, code):
    jobs_page.sockets[0].close(code=code)
    jobs_page.wait_for_sockets(2)
    jobs_page.send(fragment(7, 0, "done"))
    assert jobs_page.state() == ("7", "0", "done")


def test_a_lasting_interruption_is_said_and_taken_back(jobs_page):
    page = jobs_page.page
    page.evaluate("htmx.config.wsReconnectDelay = () => 4500")
    jobs_page.sockets[0].close(code=1012)
    expect(page.locator("#offline")).to_be_visible()
    jobs_page.wait_for_sockets(2)
    jobs_page.send(fragment(5, 310))
    expect(page.locator("#offline")).to_be_hidden()


def test_a_job_that_was_taken_off_the_list_elsewhere_goes_from_this_list_too(jobs_page):
    jobs_page.job.get_by_role("link").first.focus()
    jobs_page.send(f'<article id="job-{JOB}" class="job" data-gone></article>')
    expect(jobs_page.job).to_have_count(0)
    expect(jobs_page.page.locator(".jobs__none")).to_be_visible()
    expect(jobs_page.page.locator("main")).to_be_focused()


def test_the_socket_is_asked_for_what_the_page_shows_in_its_language(jobs_page):
    assert jobs_page.sockets[0].url.endswith(f"/ws/jobs/?jobs={JOB}&language=en")


@pytest.mark.parametrize("answer", ["<h1>Sign in</h1>", 403, 404])
def test_an_answer_that_is_not_the_job_reloads_the_page(jobs_page, answer):
    jobs_page.answers[f"/jobs/{JOB}/cancel/"] = answer
    with jobs_page.page.expect_navigation():
        jobs_page.job.get_by_role("button", name="Cancel").click()
    expect(jobs_page.job).to_be_visible()
    jobs_page.problems.clear()  # the browser logs refused requests


def test_a_click_that_reaches_nobody_says_so(jobs_page):
    jobs_page.page.route("**/cancel/", lambda route: route.abort())
    jobs_page.job.get_by_role("button", name="Cancel").click()
    expect(jobs_page.page.locator("#offline")).to_be_visible()
    jobs_page.send(fragment(5, 310))
    expect(jobs_page.page.locator("#offline")).to_be_hidden()
    jobs_page.problems.clear()  # the browser logs failed requests


def test_newer_jobs_are_counted_and_offered_without_pushing_down_the_list(jobs_page):
    offer = jobs_page.page.get_by_role("link", name="There are newer clips.")
    expect(offer).to_be_hidden()
    jobs_page.send('<span id="count-all" class="count" data-merge>0</span>')
    expect(offer).to_be_hidden()
    jobs_page.send('<span id="count-all" class="count" data-merge>1</span>')
    expect(jobs_page.page.locator("#count-all")).to_have_text("1")
    expect(offer).to_be_visible()
    assert jobs_page.page.locator(".job").count() == 1
