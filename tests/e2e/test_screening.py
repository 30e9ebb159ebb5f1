"""Sharing under the built-in safety check, with the real network in a real worker: what passes and what waits."""

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.conftest import open_page
from tests.e2e.soundness import OF_DJANGO, too_wide, violations
from tests.e2e.test_moderation import signed_in, status
from tests.e2e.variants import LANGUAGES
from tests.seeded import SeededSite

pytestmark = [pytest.mark.e2e, pytest.mark.thorough]

POLISH = {
    "1 clip was approved.": "Zatwierdzono 1 klip.",
    "Approve": "Zatwierdź",
    "Checked. Others can now see this clip.": "Sprawdzono. Inni mogą już zobaczyć ten klip.",
    "Clip approved": "Klip zatwierdzony",
    "Make it public": "Upublicznij",
    "Save": "Zapisz",
    "Shared. Others can watch it once it has been checked.": "Udostępniono. Inni obejrzą klip po jego sprawdzeniu.",
    "Show": "Pokaż",
    "This clip waits for a moderator.": "Ten klip czeka na moderatora.",
}
# Its poster is a plain surface in the colour of skin, to which the network gives about 0.3.
A_NEW_CLIP = """
import io
from django.core.files.base import ContentFile
from PIL import Image
from gallery.models import Screened, Video
poster = io.BytesIO()
Image.new("RGB", (256, 144), "#e8beac").save(poster, "WEBP")
old = Video.objects.filter(user__username="ada", format="mp4").first()
made = Video(user=old.user, title={title!r}, request={{**old.request, "prompt": {title!r}}}, screening=Screened.UNSEEN)
for name in ("width", "height", "frames", "fps", "size", "video_file", "poster_file", "preview_file", "thumbnail_file"):
    setattr(made, name, getattr(old, name))
made.poster_file.save("poster.webp", ContentFile(poster.getvalue()), save=False)
made.save()
print(made.pk)
"""
HIGHEST = "SELECT highest FROM gallery_screening WHERE video_id = ?"
WAIT = 60_000  # milliseconds; the worker imports the runtime first, on a machine that may be busy


@pytest.fixture(scope="module")
def checked(tmp_path_factory):
    started = SeededSite(tmp_path_factory.mktemp("checked") / "home", queues="cpu").start()
    yield started
    assert started.stop() == 0


def say(language: str, words: str) -> str:
    return words if language == "en" else POLISH[words]


def make_public(page: Page, video: str, language: str) -> None:
    page.goto(f"/videos/{video}/")
    page.get_by_role("button", name=say(language, "Make it public")).click()


def save_rule(page: Page, language: str, strictness: str, own: float = 0.7) -> None:
    """Set the rule in the admin."""
    page.goto("/admin/gallery/safetyrule/1/change/")
    page.locator("[name=strictness]").select_option(strictness)
    page.locator("[name=own_threshold]").fill(f"{own:.4f}")
    page.get_by_role("button", name=say(language, "Save"), exact=True).click()
    expect(page.locator(".messagelist .success")).to_be_visible()


def uncover(page: Page) -> None:
    """Show a covered clip with the keyboard alone."""
    cover, player = page.locator("details.cover"), page.locator("details.cover > video")
    expect(player).to_be_hidden()
    assert "blur" in cover.locator("summary img").evaluate("image => getComputedStyle(image).filter")
    cover.locator("summary").focus()
    page.keyboard.press("Enter")
    expect(player).to_be_visible()


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_clip_is_shown_once_checked_and_one_above_the_threshold_once_a_moderator_has_looked(
    browser, checked, language
):
    first, second = (checked.python(A_NEW_CLIP.format(title=f"{n} {language}")) for n in ("harmless", "doubtful"))
    with (
        signed_in(browser, checked, "ada", locale=language) as ada,
        signed_in(browser, checked, "admin", locale=language) as admin,
    ):
        save_rule(admin, language, "balanced")
        make_public(ada, first, language)
        expect(ada.locator("#sharing")).to_contain_text(
            say(language, "Shared. Others can watch it once it has been checked.")
        )
        expect(ada.locator("#share-check")).to_have_text(
            say(language, "Checked. Others can now see this clip."), timeout=WAIT
        )
        assert (violations(ada), status(browser, checked, f"/videos/{first}/")) == ([], 200)

        ((highest,),) = checked.rows(HIGHEST, first.replace("-", ""))
        save_rule(admin, language, "own", highest)  # now the same pictures are at the threshold
        make_public(ada, second, language)
        waits = ada.locator("#share-check", has_text=say(language, "This clip waits for a moderator."))
        expect(waits).to_be_visible(timeout=WAIT)
        assert (violations(ada), status(browser, checked, f"/videos/{second}/")) == ([], 404)

        admin.goto("/admin/overview/")
        assert violations(admin) == []
        admin.locator("section[aria-labelledby=o-safety] .overview__number a").click()
        row = admin.locator("#result_list tbody tr", has_text=f"doubtful {language}")
        assert "blur" in row.locator("img").evaluate("image => getComputedStyle(image).filter")
        row.locator("th a").click()
        assert (violations(admin), too_wide(admin)) == ([], [])
        uncover(admin)
        admin.get_by_role("button", name=say(language, "Approve"), exact=True).click()
        admin.locator("[name=why]").fill("A heart.")
        admin.locator(".submit-row input[type=submit]").click()
        expect(admin.locator(".messagelist")).to_contain_text(say(language, "1 clip was approved."))
        save_rule(admin, language, "balanced")

        assert status(browser, checked, f"/videos/{second}/") == 200
        ada.goto("/notices/")
        expect(ada.locator(".notices")).to_contain_text(say(language, "Clip approved"))
        expect(ada.locator(".notices")).to_contain_text("A heart.")


def test_on_a_phone_the_covered_clip_fits(browser, checked):
    video = checked.python(A_NEW_CLIP.format(title="covered"))
    checked.python(f"from gallery.models import Video\nVideo.objects.filter(pk={video!r}).update(screening='flagged')")
    with signed_in(browser, checked, "admin", viewport={"width": 360, "height": 740}) as admin:
        checked.python(
            f"from gallery.models import Report, Video\nReport.objects.create(video_id={video!r}, reason='spam')"
        )
        for path in (f"/admin/gallery/video/{video}/change/", "/admin/gallery/report/?q=covered"):
            admin.goto(path)
            assert (violations(admin, OF_DJANGO), too_wide(admin)) == ([], [])
            uncover(admin)


def test_without_javascript_the_page_says_how_far_it_is(browser, checked):
    video = checked.python(A_NEW_CLIP.format(title="plain"))
    with signed_in(browser, checked, "ada", locale="en", java_script_enabled=False) as ada:
        make_public(ada, video, "en")
        expect(ada.locator(".messages, [role=status]").first).to_be_visible()
        ada.wait_for_timeout(0)
        for _ in range(60):
            ada.goto(f"/videos/{video}/")
            if not ada.locator("#share-check p").count():
                break
            ada.wait_for_timeout(1000)
        assert ada.locator("#share-check p").count() == 0
    with open_page(browser, checked) as visitor:
        visitor.goto(f"/videos/{video}/")
        expect(visitor.get_by_role("heading", level=1)).to_have_text("plain")
