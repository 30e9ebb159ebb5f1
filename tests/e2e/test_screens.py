"""Clips keep their shape and their place, and what matters most is in view."""

import io
import json
from types import SimpleNamespace

import pytest
from django.template.loader import render_to_string
from PIL import Image
from playwright.sync_api import expect

from tests.e2e.live_page import UUID, a_job, fragment, open_jobs_page
from tests.e2e.visits import visit

pytestmark = [pytest.mark.e2e, pytest.mark.thorough]

SCREENS = [(390, 844), (768, 1024), (1440, 900)]
SHAPES = [(256, 256), (384, 216), (144, 256)]
RECORD_SHIFTS = """
window.shifted = 0;
window.moved = [];
new PerformanceObserver(list => {
    for (const {value, hadRecentInput, sources} of list.getEntries()) {
        if (hadRecentInput) continue;
        window.shifted += value;
        for (const {node, previousRect: was, currentRect: is} of sources) {
            window.moved.push([value, node?.className, was.y, was.height, is.y, is.height].join(" "));
        }
    }
}).observe({type: "layout-shift", buffered: true});
"""
FRAMES = "new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"


@pytest.fixture(scope="module")
def shapes_site(pages_only):
    pages_only.python("from tests.e2e.library_site import fill; fill({'gridder': 20})")
    pages_only.python(f"from tests.e2e.library_site import give; give('gridder', *{SHAPES})")
    return pages_only


def finished(version: int, **changes) -> str:
    """Return the fragment of a finished job with its video."""
    video = SimpleNamespace(**{"id": UUID(int=50), "is_gif": False, "width": 256, "height": 256, **changes})
    context = {"job": a_job(version, "done"), "progress": None, "video": video}
    return render_to_string("generation/partials/job.html", context)


def a_picture(width: int, height: int) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (width, height), "teal").save(stream, "PNG")
    return stream.getvalue()


def first_button(page):
    return page.locator("main .button--lamp, main .job__main").first


# --- The place of a clip ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("width", "height"), SCREENS)
def test_nothing_moves_while_a_clip_renders(browser, width, height):
    with open_jobs_page(browser, alone=True, script=RECORD_SHIFTS) as jobs:
        page, picture = jobs.page, a_picture(64, 64)
        page.set_viewport_size({"width": width, "height": height})
        page.route("**/preview/**", lambda route: route.fulfill(body=picture, content_type="image/png"))
        page.route("**/poster/**", lambda route: route.fulfill(body=picture, content_type="image/png"))
        jobs.send(fragment(6, 0, "queued", place=1))
        page.evaluate(f"{FRAMES}.then(() => {{ window.shifted = 0; window.moved = []; }})")
        screen = jobs.job.locator(".screen")
        before = screen.bounding_box()
        jobs.send(fragment(7, 10, stage_label="Preparing"))
        for permille in (100, 400, 700):
            jobs.send(fragment(7, permille, preview_url=f"/jobs/{jobs.job.get_attribute('id')}/preview/?v={permille}"))
            expect(screen.locator("img:not(.screen__blank)")).to_have_js_property("naturalWidth", 64)
            page.evaluate(FRAMES)
        jobs.send(finished(8))
        expect(screen.locator("video")).to_be_visible()
        page.evaluate(FRAMES)
        assert screen.bounding_box() == before
        assert page.evaluate("window.shifted") < 0.02, page.evaluate("window.moved")


@pytest.mark.parametrize(("width", "height"), SCREENS)
def test_the_picture_keeps_its_place_when_the_clip_fails(browser, width, height):
    with open_jobs_page(browser, alone=True) as jobs:
        jobs.page.set_viewport_size({"width": width, "height": height})
        jobs.send(fragment(6, 400))
        jobs.page.evaluate(FRAMES)
        screen = jobs.job.locator(".screen")
        before = screen.bounding_box()
        jobs.send(fragment(7, 0, "failed"))
        expect(jobs.job).to_have_attribute("data-status", "failed")
        jobs.page.evaluate(FRAMES)
        assert screen.bounding_box() == before


def test_the_shift_of_what_does_move_is_noticed(browser):
    with open_jobs_page(browser, alone=True, script=RECORD_SHIFTS) as jobs:
        jobs.page.evaluate(FRAMES)
        jobs.page.evaluate("document.querySelector('main').style.paddingTop = '300px'")
        jobs.page.wait_for_function("window.shifted > 0.02")


# --- What is in view --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("width", "height"), SCREENS)
def test_the_first_button_of_a_job_is_in_view(browser, width, height):
    with open_jobs_page(browser, alone=True) as jobs:
        jobs.page.set_viewport_size({"width": width, "height": height})
        for shown in (fragment(6, 0, "failed"), finished(7)):
            jobs.send(shown)
            expect(first_button(jobs.page)).to_be_in_viewport(ratio=1)


@pytest.mark.parametrize(("width", "height"), SCREENS)
def test_the_first_button_of_a_video_is_in_view_and_its_player_has_its_shape(browser, shapes_site, width, height):
    ids = json.loads(shapes_site.python(f"from tests.e2e.library_site import give; give('watcher-{width}', *{SHAPES})"))
    title = "A long title, " * 14
    shapes_site.python(
        f"from gallery.models import Video; Video.objects.filter(user__username='watcher-{width}')"
        f".update(title={title!r}, prompt={title!r})"
    )
    with visit(browser, shapes_site, f"watcher-{width}", viewport={"width": width, "height": height}) as page:
        for id, (across, down) in zip(ids, SHAPES, strict=True):
            page.goto(f"/videos/{id}/")
            expect(first_button(page)).to_have_text("Download")
            expect(first_button(page)).to_be_in_viewport(ratio=1)
            expect(page.locator(".title").get_by_role("link", name="Share")).to_be_in_viewport(ratio=1)
            box = page.locator(".watch__screen").bounding_box()
            assert box["width"] / box["height"] == pytest.approx(across / down, rel=0.01)
            player = page.locator(".watch__screen video").bounding_box()
            assert (player["width"], player["height"]) == pytest.approx((box["width"], box["height"]), abs=1)


def test_a_draft_is_rendered_in_full_by_its_first_button(browser, shapes_site):
    (id,) = json.loads(
        shapes_site.python("from tests.e2e.library_site import give; give('drafter', (128, 128), quality='draft')")
    )
    with visit(browser, shapes_site, "drafter", f"/videos/{id}/", viewport={"width": 390, "height": 844}) as page:
        expect(page.locator("main .button--lamp")).to_have_text("Render in full")
        first_button(page).click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Render in full")
        expect(first_button(page)).to_be_in_viewport(ratio=1)
        first_button(page).click()
        expect(page.locator(".job")).to_have_attribute("data-status", "queued")


# --- Rows of cards ----------------------------------------------------------------------------------------------------

BOXES = """screens => screens.map(screen => screen.getBoundingClientRect())
    .map(({left, right, top, width, height}) => ({left, right, top, width, height}))"""


@pytest.mark.parametrize("width", [360, 768, 1440, 1920])
def test_rows_are_full_and_of_one_height_without_bars(browser, shapes_site, width):
    with visit(browser, shapes_site, "gridder", viewport={"width": width, "height": 900}) as page:
        boxes = page.locator("#cards .screen").evaluate_all(BOXES)
        rows: dict[int, list[dict]] = {}
        for box in boxes:
            rows.setdefault(round(box["top"]), []).append(box)
        whole = page.locator("#cards").bounding_box()
        for row in list(rows.values())[:-1]:
            assert max(box["height"] for box in row) - min(box["height"] for box in row) < 1
            assert row[0]["left"] == pytest.approx(whole["x"], abs=1)
            if width > 400:  # on a phone, a tall clip before a wide one is alone in its row
                assert row[-1]["right"] == pytest.approx(whole["x"] + whole["width"], abs=1)
        assert whole["width"] > 0.9 * min(width, 1900)
        shown = {round(box["width"] / box["height"], 2) for box in boxes}
        assert shown == {round(across / down, 2) for across, down in SHAPES}
