"""Comparing clips in a browser: they play in step, join once they are rendered, and one is kept."""

import json
import re

import pytest
from playwright.sync_api import expect

from tests.e2e.conftest import open_page
from tests.e2e.patience import until
from tests.e2e.soundness import too_wide, violations
from tests.e2e.test_render_journeys import sign_up

pytestmark = [pytest.mark.e2e, pytest.mark.thorough]

FOUR = ["done"] * 4
BATCHES = {
    **dict.fromkeys(("stepper", "still", "saver", "keeper", "several", "plain"), FOUR),
    "slider": ["done"] * 2,
    "stacked": ["done"] * 3,
    "joiner": ["done", "running"],
    "loser": ["done", "running"],
    "sound": ["done", "done", "queued"],
    "wordy": ["queued", "failed"],
}
PEOPLE = {f"compare-{name}": states for name, states in BATCHES.items()}  # other tests have users on the same site
MOST_APART = 0.1  # seconds
MOST_CLICKS = 4
RENDERED = 240_000
COUNT_CLICKS = """addEventListener("pointerdown", () => {
    sessionStorage.clicks = Number(sessionStorage.clicks ?? 0) + 1;
}, true)"""
# The largest distance between two clips in each of many frames of two rounds, and how far they got.
WATCH = """() => new Promise((resolve) => {
    const videos = [...document.querySelectorAll("[data-compare] video")];
    const spreads = [], firsts = [];
    setTimeout(() => resolve({ spreads, firsts }), 30_000);
    const look = () => {
        const times = videos.map((video) => video.currentTime);
        spreads.push(Math.max(...times) - Math.min(...times));
        firsts.push(times[0]);
        if (firsts.some((time, n) => n && time < firsts[n - 1] - 1) && times[0] > 1) resolve({ spreads, firsts });
        else requestAnimationFrame(look);
    };
    look();
})"""

BROKEN_WORDS = """table => [...table.querySelectorAll("th .dim")].flatMap(({firstChild: text}) =>
    [...text.data.matchAll(/\\S+/g)].filter(({0: word, index}) => {
        const range = new Range();
        range.setStart(text, index);
        range.setEnd(text, index + word.length);
        return range.getClientRects().length > 1;
    }).map(([word]) => word))"""
MOVING = """() => new Promise((resolve, reject) => {
    setTimeout(() => reject(new Error("the clips do not move")), 15_000);
    const look = () => {
        const all = [...document.querySelectorAll(".clip video")];
        if (all.every((video) => video.currentTime > 0.2)) resolve();
        else requestAnimationFrame(look);
    };
    look();
})"""


@pytest.fixture(scope="module")
def batches(pages_only):
    return json.loads(pages_only.python(f"from tests.e2e.compare_site import fill; fill({PEOPLE!r})"))


@pytest.fixture
def visit(browser, pages_only, batches):
    """Return `visit`: `with visit("name") as page` opens the comparison of that user's batch."""

    def visit(name: str, **options: object):
        cookie = {
            "name": "sessionid",
            "value": pages_only.session_of(f"compare-{name}"),
            "domain": "127.0.0.1",
            "path": "/",
        }
        cookie |= {"expires": -1, "httpOnly": True, "secure": False, "sameSite": "Lax"}
        return Visit(
            open_page(browser, pages_only, storage_state={"cookies": [cookie], "origins": []}, **options), name
        )

    class Visit:
        def __init__(self, opened, name: str) -> None:
            self.opened, self.path = opened, f"/videos/compare/?batch={batches[f'compare-{name}']}"

        def __enter__(self):
            page = self.opened.__enter__()
            page.goto(self.path)
            return page

        def __exit__(self, *problem: object):
            return self.opened.__exit__(*problem)

    return visit


def clips(page):
    return page.locator(".clip")


def plays(page) -> bool:
    return page.evaluate("[...document.querySelectorAll('[data-compare] video')].some((video) => !video.paused)")


def test_the_clips_play_in_step_muted_over_and_over(visit):
    with visit("stepper") as page:
        expect(page.get_by_role("button", name="Pause all")).to_be_visible()
        seen = page.evaluate(WATCH)
        assert len(seen["spreads"]) > 20
        assert sorted(seen["spreads"])[len(seen["spreads"]) * 95 // 100] < MOST_APART
        assert max(seen["firsts"]) > 3, "the clips are not played to the end"
        assert page.locator("[data-compare] video").evaluate_all("all => all.every((video) => video.muted)")
        page.get_by_role("button", name="Pause all").click()
        until(page, lambda: not plays(page), "some still play")


@pytest.mark.parametrize("person", ["still", "saver"])
def test_nothing_plays_by_itself_under_reduced_motion_or_save_data(visit, person):
    with visit(person, reduced_motion="reduce" if person == "still" else "no-preference") as page:
        if person == "saver":
            page.add_init_script("Object.defineProperty(navigator, 'connection', { get: () => ({ saveData: true }) })")
            page.reload()
        files = []
        page.on("request", lambda request: files.append(request.url) if request.url.endswith("/file/") else None)
        page.reload()
        button = page.get_by_role("button", name="Play all")
        expect(button).to_be_visible()
        page.wait_for_load_state("networkidle")
        assert not plays(page)
        assert files == [], "a clip was loaded that may never be watched"
        button.click()
        expect(page.get_by_role("button", name="Pause all")).to_be_visible()
        page.evaluate(MOVING)


def test_one_is_kept_and_the_others_come_back_on_request(visit):
    with visit("keeper") as page:
        expect(clips(page)).to_have_count(4)
        page.get_by_role("button", name="Keep clip 3").click()
        expect(page.get_by_role("main")).to_contain_text("3 clips were moved to the trash.")
        expect(clips(page)).to_have_count(1)
        expect(clips(page)).to_contain_text("Seed 3")
        page.get_by_role("button", name="Undo").click()
        expect(clips(page)).to_have_count(4)


def test_several_are_kept(visit):
    with visit("several") as page:
        bar = page.get_by_role("button", name="Keep the selected clips")
        expect(bar).to_be_hidden()
        for number in (1, 4):
            page.get_by_role("checkbox", name=f"Select clip {number}").check()
        expect(page.locator("[data-selected]")).to_have_text("2")
        bar.click()
        expect(clips(page)).to_have_count(2)
        expect(page.locator("#slider [type=range]")).to_be_visible()


def test_two_clips_are_uncovered_by_a_slider_that_the_keyboard_moves(visit):
    with visit("slider") as page:
        top = page.locator(".slider__layer").first
        expect(top).to_have_css("clip-path", "inset(0px 50% 0px 0px)")
        range_ = page.get_by_role("slider")
        range_.focus()
        page.keyboard.press("End")
        expect(range_).to_have_value("100")
        expect(top).to_have_css("clip-path", re.compile(r"^inset\(0px( 0% 0px 0px)?\)$"))
        page.keyboard.press("Home")
        expect(top).to_have_css("clip-path", "inset(0px 100% 0px 0px)")


def test_a_clip_joins_the_others_once_it_is_rendered(visit, pages_only):
    with visit("joiner") as page:
        expect(page.locator("[data-compare] .job")).to_have_count(1)
        page.evaluate("window.sameDocument = true")
        pages_only.python("from tests.e2e.compare_site import finish; finish('compare-joiner')")
        expect(page.locator("[data-compare] .job")).to_have_count(0)
        expect(clips(page).nth(1).get_by_role("button", name="Keep clip 2")).to_be_visible()
        page.evaluate(MOVING)
        expect(page.get_by_role("slider")).to_be_visible()
        assert page.evaluate("window.sameDocument") is True


def test_a_clip_that_was_deleted_before_it_could_join_is_not_waited_for(visit, pages_only):
    with visit("loser") as page:
        expect(page.locator("[data-rendering]")).to_have_count(1)
        pages_only.python("from tests.e2e.compare_site import finish_and_delete; finish_and_delete('compare-loser')")
        expect(page.locator("[data-compare] .job")).to_contain_text("It was deleted from the library.")
        expect(page.locator("[data-rendering]")).to_have_count(0)


def test_the_page_is_sound_at_every_width(visit):
    with visit("sound", reduced_motion="reduce") as page:
        expect(clips(page)).to_have_count(3)
        assert too_wide(page) == []
        assert violations(page) == []
    with visit("slider", reduced_motion="reduce") as page:
        assert too_wide(page) == []
        assert violations(page) == []


def test_the_long_words_of_a_failure_fit_into_the_column_of_its_clip(visit):
    with visit("wordy", locale="pl-PL") as page:
        expect(clips(page).nth(1)).to_contain_text("najoszczędniejszym")
        assert too_wide(page) == []


def test_without_scripts_clips_have_controls_and_the_forms_work(visit):
    with visit("plain", java_script_enabled=False) as page:
        expect(page.locator(".clip video[controls]")).to_have_count(4)
        expect(page.locator("[type=range]")).to_be_hidden()
        page.get_by_role("checkbox", name="Select clip 2").check()
        page.get_by_role("button", name="Keep the selected clips").click()
        expect(clips(page)).to_have_count(1)
        page.get_by_role("button", name="Undo").click()
        expect(clips(page)).to_have_count(4)
        page.get_by_role("button", name="Keep clip 1").click()
        expect(clips(page)).to_contain_text("Seed 1")
        page.get_by_role("button", name="4 more like this").click()
        expect(page.locator("[data-compare] .job")).to_have_count(4)


def test_several_values_are_counted_first_and_become_a_labelled_grid(quick_page):
    page = quick_page
    sign_up(page)
    page.goto("/create/?mode=advanced")
    page.locator("[name=prompt]").fill("a red heart rising")
    page.get_by_text("Try several values").click()
    page.get_by_label("Values of the columns").fill("3, 5")
    page.get_by_label("Rows", exact=True).select_option(label="Prompt words")
    page.get_by_label("Values of the rows").fill("red → blue, green")
    page.get_by_role("button", name="Show the grid").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("6 clips")
    assert too_wide(page) == []
    assert violations(page) == []
    page.get_by_role("button", name="Change the values").click()
    expect(page.get_by_label("Values of the rows")).to_have_value("red → blue, green")
    page.get_by_label("Values of the rows").fill("red → blue")
    page.get_by_role("button", name="Show the grid").click()
    page.get_by_role("button", name="Make 4 clips").click()
    expect(page).to_have_url(re.compile(r"/videos/compare/\?batch="))
    expect(page.get_by_role("columnheader")).to_have_text(
        [re.compile(r"Guidance\s+3\.0"), re.compile(r"Guidance\s+5\.0")]
    )
    expect(page.get_by_role("rowheader")).to_have_text([re.compile("red"), re.compile("blue")])
    expect(page.get_by_role("cell").locator(".job")).to_have_count(4)
    assert too_wide(page) == []
    assert violations(page) == []


def test_a_grid_is_readable_on_a_phone_and_keeps_the_place_of_its_clips(quick_page):
    page = quick_page
    page.set_viewport_size({"width": 390, "height": 844})
    sign_up(page)
    page.goto("/create/?mode=advanced")
    page.locator("[name=prompt]").fill("a red heart rising")
    page.locator("[name=aspect]").select_option("16:9")
    page.get_by_text("Try several values").click()
    page.get_by_label("Values of the columns").fill("3, 5, 7, 9")
    page.get_by_label("Rows", exact=True).select_option(label="Prompt words")
    page.get_by_label("Values of the rows").fill("red → blue")
    page.get_by_role("button", name="Show the grid").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("8 clips")
    assert page.locator(".sweep__plan").evaluate(BROKEN_WORDS) == []
    page.get_by_role("button", name="Make 8 clips").click()
    screen = page.locator(".clip .screen").first
    assert screen.evaluate("screen => screen.offsetWidth / screen.offsetHeight") == pytest.approx(16 / 9, rel=0.02)
    assert screen.evaluate("screen => screen.querySelector('img').offsetWidth / screen.offsetWidth") < 0.5


def test_a_stack_is_one_tile_that_opens_it(visit):
    with visit("stacked", reduced_motion="reduce") as page:
        page.goto("/videos/")
        expect(page.locator("#cards .card")).to_have_count(1)
        assert too_wide(page) == []
        assert violations(page) == []
        page.get_by_role("link", name="3 clips of the same request").click()
        expect(clips(page)).to_have_count(3)
        page.goto("/videos/?unstacked=on")
        expect(page.locator("#cards .card")).to_have_count(3)
        page.locator("#cards .card__title a").first.click()
        expect(page.get_by_role("link", name="Compare 3 clips of this request")).to_be_visible()
        assert violations(page) == []


@pytest.mark.renders
@pytest.mark.thorough
def test_four_variations_are_made_and_one_is_kept_in_at_most_four_clicks(page):
    page.add_init_script(COUNT_CLICKS)
    sign_up(page)
    page.goto("/create/?mode=advanced")
    page.locator("[name=prompt]").fill("a small blue star over the sea")
    for name, value in {"short_side": "128", "variations": "4"}.items():
        page.locator(f"[name={name}]").fill(value)
    for name, value in {"seconds": "1", "fps": "8"}.items():
        page.locator(f"select[name={name}]").select_option(value)
    page.evaluate("sessionStorage.clicks = 0")
    page.get_by_role("button", name="Make the clip").last.click()
    page.get_by_role("link", name="Compare").first.click()
    expect(page.get_by_role("button", name=re.compile("Keep clip"))).to_have_count(4, timeout=RENDERED)
    page.get_by_role("button", name="Keep clip 2").click()
    expect(page.get_by_role("main")).to_contain_text("3 clips were moved to the trash.")
    assert int(page.evaluate("sessionStorage.clicks")) <= MOST_CLICKS
    page.goto("/videos/")
    expect(page.locator("#cards .card")).to_have_count(1)
    assert re.search("blue star", page.locator("#cards .card").inner_text())
