"""What moves by itself, and that nothing does for those who want it so."""

import json
import re

import pytest
from playwright.sync_api import expect

from tests.e2e.conftest import open_page
from tests.e2e.live_page import open_jobs_page
from tests.e2e.test_screens import a_picture, finished
from tests.e2e.visits import visit

pytestmark = [pytest.mark.e2e, pytest.mark.thorough]

SAVE_DATA = "Object.defineProperty(navigator, 'connection', {value: {saveData: true}})"
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
PLAYS = "video => !video.paused && video.muted && video.loop && video.currentTime > 0"
WAIT_A_MOMENT = "new Promise(done => setTimeout(done, 300))"  # nothing tells that something will not begin


@pytest.fixture(scope="module")
def moving_site(pages_only):
    pages_only.python("from tests.e2e.library_site import fill; fill({'mover': 12})")
    return pages_only


@pytest.fixture(scope="module")
def shared(moving_site):
    """Return the path of an unlisted video."""
    return json.loads(
        moving_site.python(
            "import json; from gallery.models import Video; video = Video.objects.filter(user__username='mover')[0];"
            "Video.objects.filter(pk=video.pk).update(visibility='unlisted', share_token='t' * 43);"
            "print(json.dumps('/s/' + 't' * 43 + '/'))"
        )
    )


def plays(page) -> None:
    video = page.locator(".watch__screen video").element_handle()
    page.wait_for_function(PLAYS, arg=video)


def stands_still(page) -> None:
    page.wait_for_load_state("networkidle")
    page.evaluate(WAIT_A_MOMENT)
    assert page.locator("video").evaluate("video => video.paused && video.currentTime === 0")


def test_a_clip_loops_by_itself_and_stays_paused_once_it_was(browser, moving_site):
    with visit(browser, moving_site, "mover") as page:
        page.get_by_role("link", name="Clip 2", exact=True).click()
        plays(page)
        page.locator("video").evaluate("video => video.pause()")
        page.get_by_role("link", name="Rename").click()  # changes the page
        expect(page.get_by_label("Title")).to_be_focused()
        assert page.locator("video").evaluate("video => video.paused")


def test_a_shared_clip_loops_by_itself(browser, moving_site, shared):
    with open_page(browser, moving_site) as page:
        page.goto(shared)
        plays(page)


@pytest.mark.parametrize("how", ["reduced motion", "Save-Data"])
def test_nothing_moves_for_those_who_want_it_so(browser, moving_site, shared, how):
    options = {"reduced_motion": "reduce"} if how == "reduced motion" else {}
    with visit(browser, moving_site, "mover", "about:blank", **PHONE, **options) as page:
        if how == "Save-Data":
            page.add_init_script(SAVE_DATA)
        page.goto("/videos/")
        page.locator("#cards .card").nth(3).scroll_into_view_if_needed()
        page.evaluate(WAIT_A_MOMENT)
        expect(page.locator(".card__preview")).to_have_count(0)
        page.goto(shared)
        stands_still(page)
        page.goto("/videos/")
        page.get_by_role("link", name="Clip 2", exact=True).click()
        expect(page.locator(".watch")).to_be_visible()
        stands_still(page)


def test_previews_play_in_the_middle_of_a_touch_screen(browser, moving_site):
    with visit(browser, moving_site, "mover", **PHONE) as page:
        card = page.locator("#cards .card").nth(8)
        card.evaluate("card => card.scrollIntoView({block: 'center'})")
        expect(card.locator(".card__preview")).to_be_visible()
        assert 0 < page.locator(".card__preview").count() <= 6
        page.evaluate("scrollTo(0, 0)")
        expect(card.locator(".card__preview")).to_have_count(0)


@pytest.mark.parametrize("motion", ["no-preference", "reduce"])
def test_a_finished_job_begins_to_play_on_its_own_page(browser, motion):
    note = "HTMLMediaElement.prototype.play = function () { window.played = this; return Promise.resolve(); };"
    with open_jobs_page(browser, alone=True, script=note) as jobs:
        jobs.page.emulate_media(reduced_motion=motion)
        jobs.page.route("**/poster/**", lambda route: route.fulfill(body=a_picture(64, 64), content_type="image/png"))
        jobs.send(finished(8))
        expect(jobs.job.locator("video")).to_be_visible()
        jobs.page.evaluate(WAIT_A_MOMENT)
        assert jobs.page.evaluate("Boolean(window.played?.muted)") == (motion == "no-preference")


def test_a_finished_gif_moves_on_its_own_page_and_is_still_in_a_list(browser):
    def serve(jobs):
        for path in ("**/poster/**", "**/file/**"):
            jobs.page.route(path, lambda route: route.fulfill(body=a_picture(64, 64), content_type="image/png"))
        jobs.send(finished(8, is_gif=True))
        return jobs.job.locator(".screen img")

    with open_jobs_page(browser, alone=True) as jobs:
        picture = serve(jobs)
        expect(picture).to_have_attribute("src", re.compile("/file/$"))
        jobs.send(finished(9, is_gif=True))  # what the socket sends does not stop it
        expect(jobs.job).to_have_attribute("data-version", "9")
        expect(picture).to_have_attribute("src", re.compile("/file/$"))
        jobs.page.emulate_media(reduced_motion="reduce")
        expect(picture).to_have_attribute("src", re.compile("/poster/$"))
        assert picture.evaluate("image => image.getBoundingClientRect().height") > 100
    with open_jobs_page(browser) as jobs:
        picture = serve(jobs)
        expect(picture).to_have_js_property("naturalWidth", 64)
        jobs.page.evaluate(WAIT_A_MOMENT)
        assert picture.get_attribute("src").endswith("/poster/")


@pytest.mark.parametrize(("header", "kind"), [(None, "file"), ("on", "poster")])
def test_a_gif_is_a_still_picture_under_save_data(browser, moving_site, header, kind):
    moving_site.python(
        "from gallery.models import Video; one = Video.objects.filter(user__username='mover', title='Clip 5');"
        "one.update(format='gif')"
    )
    options = {"extra_http_headers": {"Save-Data": header}} if header else {}
    with visit(browser, moving_site, "mover", **options) as page:
        page.get_by_role("link", name="Clip 5", exact=True).click()
        picture = page.locator(".watch__screen img")
        expect(picture).to_be_visible()
        assert picture.get_attribute("src").endswith(f"/{kind}/")
        page.emulate_media(reduced_motion="reduce")
        page.wait_for_function("image => image.currentSrc.endsWith('/poster/')", arg=picture.element_handle())
