"""One's own queue in a browser: moving clips by button and by mouse, pausing, and what the workers make of it."""

import pytest
from playwright.sync_api import expect

from tests.e2e.conftest import open_page
from tests.e2e.test_honest_waiting import SHORT, submit, wait_for
from tests.e2e.test_watching import sign_in
from tests.rigs.crew import Crew
from tests.site import Site

pytestmark = [pytest.mark.e2e, pytest.mark.thorough]

ORDER = "() => [...document.querySelectorAll('[data-queue] .job')].map((job) => job.id.replace('job-', ''))"
GENERATED = "SELECT job_id FROM generation_stagerun WHERE stage = 'generate' ORDER BY started_at"


def order(page) -> list[str]:
    return page.evaluate(ORDER)


def expect_order(page, jobs) -> None:
    page.wait_for_function(f"jobs => JSON.stringify(({ORDER})()) === JSON.stringify(jobs)", arg=jobs)


def of(page, job):
    return page.locator(f"#job-{job}")


def test_buttons_move_a_clip_without_leaving_the_page_and_other_tabs_follow(quick_page, pages_only):
    page = quick_page
    one, two, three, four = sign_in(page, pages_only, 4)
    page.goto("/jobs/")
    other = page.context.new_page()
    other.goto("/jobs/")
    expect_order(page, [one, two, three, four])
    left = []
    page.on("framenavigated", lambda frame: left.append(frame.url))
    of(page, four).get_by_role("button", name="Move to the top").click()
    expect_order(page, [four, one, two, three])
    expect_order(other, [four, one, two, three])
    expect(of(page, four).get_by_role("button", name="Move to the top")).to_be_focused()
    of(page, one).get_by_role("button", name="Move down").click()
    expect_order(page, [four, two, one, three])
    of(page, three).get_by_role("button", name="Move up").click()
    expect_order(page, [four, two, three, one])
    assert left == []
    page.reload()
    assert order(page) == [four, two, three, one]


def test_a_clip_is_dragged_to_another_place(quick_page, pages_only):
    page = quick_page
    one, two, three = sign_in(page, pages_only, 3)
    page.goto("/jobs/")
    with page.expect_response("**/move/"):  # the clip is moved on the page before it is in the database
        of(page, three).locator(".move__grip").drag_to(
            of(page, one).locator(".job__facts"), target_position={"x": 5, "y": 1}
        )
    expect_order(page, [three, one, two])
    page.reload()
    assert order(page) == [three, one, two]


def test_a_clip_that_has_started_elsewhere_says_that_it_was_not_moved(quick_page, pages_only):
    page = quick_page
    one, two = sign_in(page, pages_only, 2)
    page.goto("/jobs/")
    pages_only.python(f"from generation.models import Job; from generation.queue import services; "
                      f"services.start(Job.objects.get(pk='{two}'), 1)")  # fmt: skip
    answer = page.request.post(
        f"/jobs/{two}/move/",
        form={"to": "top", "csrfmiddlewaretoken": page.locator("[name=csrfmiddlewaretoken]").first.input_value()},
        headers={"Referer": f"{pages_only.url}/jobs/"},
    )
    assert "This clip is no longer waiting, so it was not moved." in answer.text()
    page.goto("/jobs/")
    assert order(page) == [two, one], "what renders comes first"


@pytest.mark.thorough
def test_without_javascript_buttons_and_the_pause_work(browser, pages_only):
    with open_page(browser, pages_only, java_script_enabled=False) as page:
        one, two, three = sign_in(page, pages_only, 3)
        page.goto("/jobs/")
        of(page, three).get_by_role("button", name="Move to the top").click()
        for place, job in enumerate((three, one, two)):
            expect(page.locator("[data-queue] .job").nth(place)).to_have_id(f"job-{job}")
        page.get_by_role("button", name="Pause the queue").click()
        expect(page.get_by_text("Your queue is paused.")).to_be_visible()
        expect(of(page, one).locator(".job__status")).to_have_text("Paused")
        page.get_by_role("button", name="Resume the queue").click()
        expect(page.get_by_text("Your queue is paused.")).to_have_count(0)


@pytest.mark.renders
@pytest.mark.thorough
def test_a_pause_survives_a_restart_and_the_fourth_clip_moved_to_the_top_is_next(browser, tmp_path):
    site = Site(tmp_path / "home", queues="").start()
    name = site.make_user()
    site.python(f"from accounts.models import User; from generation.own_queue import services; "
                f"services.pause(User.objects.get(username='{name}'))")  # fmt: skip
    jobs = submit(site, name, 4, **SHORT)
    with Crew(site) as crew:
        crew.start("cpu", "cpu")
        crew.start("g", "generate", LIGHT_SECONDS="0.3")
        prepared = "SELECT count(*) FROM generation_job WHERE waits_in != ''"
        crew.until(lambda: site.rows(prepared) == [(4,)], "the clips were not prepared")
        assert site.rows(GENERATED) == []
    assert site.stop() == 0
    site.start()
    with Crew(site) as crew, open_page(browser, site) as page:
        crew.start("cpu", "cpu")
        crew.start("upscale", "upscale")
        crew.start("g", "generate", LIGHT_SECONDS="0.3")
        page.context.add_cookies([{"name": "sessionid", "value": site.session_of(name), "url": site.url}])
        page.goto("/jobs/")
        expect(page.get_by_text("Your queue is paused.")).to_be_visible()
        of(page, jobs[3]).get_by_role("button", name="Move to the top").click()
        expect_order(page, [jobs[3], *jobs[:3]])
        assert site.rows(GENERATED) == []
        page.get_by_role("button", name="Resume the queue").click()
        wait_for(site, 4)
        assert [job for (job,) in site.rows(GENERATED)] == [job.replace("-", "") for job in (jobs[3], *jobs[:3])]
    assert site.stop() == 0
