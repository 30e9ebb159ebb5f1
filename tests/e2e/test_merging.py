"""Merging a fragment into the page preserves whatever the user or the browser is in the middle of."""

from types import SimpleNamespace

import pytest
from django.template.loader import render_to_string
from playwright.sync_api import expect

from tests.e2e.live_page import ELSEWHERE, JOB, UUID, a_job, a_panel, fragment, open_jobs_page, panel_fragment, row

pytestmark = pytest.mark.e2e

THIRD = UUID(int=3)
# Detects even a brief loss of focus: a screen reader would read the element out again.
COUNT_BLURS = "element => { window.blurs = 0; element.addEventListener('blur', () => window.blurs++); }"
PLAY_SOMETHING = """async video => {
    const canvas = document.createElement("canvas");
    canvas.getContext("2d").fillRect(0, 0, 10, 10);
    video.srcObject = canvas.captureStream();
    await video.play();
}"""


@pytest.fixture
def jobs_page(browser):
    with open_jobs_page(browser, panel=a_panel(row(5, 300), row(1, id=ELSEWHERE), row(1, id=THIRD))) as page:
        yield page


@pytest.fixture
def panel(jobs_page):
    return jobs_page.page.locator("#active-jobs")


def finished(version: int, **changes) -> str:
    """Return the fragment of a finished job with its video."""
    job = a_job(version, "done")
    for name, value in changes.items():
        setattr(job, name, value)
    video = SimpleNamespace(id=UUID(int=50), is_gif=False, width=64, height=64)
    return render_to_string("generation/partials/job.html", {"job": job, "progress": None, "video": video})


def is_attached(element) -> bool:
    return element.evaluate("element => element.isConnected")


def test_a_focused_row_never_loses_the_focus_when_the_order_changes(jobs_page, panel):
    panel.locator("summary").click()
    button = panel.locator(f"#active-{ELSEWHERE}").get_by_role("button")
    button.focus()
    button.evaluate(COUNT_BLURS)
    jobs_page.send(panel_fragment(row(1, id=ELSEWHERE), row(1, id=THIRD), row(6, status="done", ended=1_700_000_060)))
    expect(panel.locator(".active__row").last).to_have_id(f"active-{JOB}")
    expect(button).to_be_focused()
    assert jobs_page.page.evaluate("blurs") == 0


def test_the_pictures_of_rows_that_move_are_not_made_again(jobs_page, panel):
    panel.locator("summary").click()
    pictures = [each.element_handle() for each in panel.locator(".active__row img").all()]
    jobs_page.send(panel_fragment(row(1, id=THIRD), row(5, 310), row(1, id=ELSEWHERE)))
    assert panel.locator(".active__row").evaluate_all("rows => rows.map(row => row.id)") == [
        f"active-{id}" for id in (THIRD, JOB, ELSEWHERE)
    ]
    assert len(pictures) == 3
    assert all(map(is_attached, pictures))


def test_a_click_begun_on_cancel_never_becomes_another_button(jobs_page):
    posted = []
    jobs_page.page.on("request", lambda request: posted.append(request.url) if request.method == "POST" else None)
    jobs_page.job.get_by_role("button", name="Cancel").hover()
    jobs_page.page.mouse.down()
    jobs_page.send(fragment(6, 0, "failed"))
    again = jobs_page.job.get_by_role("button", name="Try again")
    again.hover()  # it may have moved
    jobs_page.page.mouse.up()
    jobs_page.send(fragment(7, 0, "failed"))
    expect(again).to_be_visible()
    assert posted == []


def test_cancel_keeps_the_focus_when_the_clip_begins_and_has_no_place_in_the_queue_any_more(jobs_page):
    jobs_page.send(fragment(6, 0, "queued"))
    cancel = jobs_page.job.get_by_role("button", name="Cancel")
    cancel.focus()
    cancel.evaluate(COUNT_BLURS)
    jobs_page.send(fragment(7, 10))
    expect(jobs_page.job).to_have_attribute("data-status", "running")
    expect(cancel).to_be_focused()
    jobs_page.send(fragment(8, 0, "queued"))  # its worker was lost
    expect(jobs_page.job.get_by_role("button", name="Move up")).to_be_visible()
    assert jobs_page.page.evaluate("blurs") == 0


def test_change_keeps_the_focus_when_the_clip_is_finished(jobs_page):
    change = jobs_page.job.get_by_role("link", name="Change")
    change.focus()
    change.evaluate(COUNT_BLURS)
    jobs_page.send(finished(6))
    expect(jobs_page.job.get_by_role("link", name="Open the clip")).to_be_visible()
    expect(change).to_be_focused()
    assert jobs_page.page.evaluate("blurs") == 0


def test_a_video_goes_on_playing_when_its_job_changes(jobs_page):
    jobs_page.send(finished(6))
    video = jobs_page.job.locator("video").element_handle()
    video.evaluate(PLAY_SOMETHING)
    jobs_page.send(finished(7, seen_at=a_job(1).queued_at, ended_at=a_job(1).queued_at))
    assert jobs_page.state()[0] == "7"
    assert is_attached(video)
    assert not video.evaluate("video => video.paused")


def test_what_is_selected_stays_selected(jobs_page):
    link = jobs_page.job.locator(".job__prompt a")
    link.evaluate("link => getSelection().selectAllChildren(link)")
    jobs_page.send(fragment(5, 480, stage_label="Interpolating"))
    jobs_page.send(fragment(6, 0, "failed"))
    assert jobs_page.page.evaluate("getSelection().toString()") == link.inner_text()


def test_a_button_whose_request_is_under_way_still_looks_so_after_an_update(jobs_page):
    held = []
    jobs_page.page.route("**/cancel/", lambda route: held.append(route))
    jobs_page.job.get_by_role("button", name="Cancel").click()
    form = jobs_page.job.locator("form.htmx-request")
    expect(form).to_have_count(1)
    jobs_page.send(fragment(5, 310))
    expect(form).to_have_count(1)
    held[0].fulfill(body=fragment(6, 0, "cancelled"), content_type="text/html")
    expect(jobs_page.job).to_have_attribute("data-status", "cancelled")
    expect(form).to_have_count(0)
