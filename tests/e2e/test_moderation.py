"""The moderator's morning, and what it means for the reporters and the reported."""

import re
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.conftest import open_page
from tests.e2e.held_stages import wait_until
from tests.e2e.person import Person
from tests.e2e.soundness import too_wide, violations
from tests.e2e.variants import JAVASCRIPT, LANGUAGES
from tests.seeded import SeededSite
from tests.site import PASSWORD

pytestmark = [pytest.mark.e2e, pytest.mark.thorough]

WHY = {
    "hide": "It shows my neighbour’s cat.",
    "warn": "Please ask your neighbours first.",
    "suspend": "It was the third time.",
}
POLISH = {
    "1 user was suspended.": "Zawieszono 1 osobę.",
    "1 suspension was ended.": "Zakończono 1 zawieszenie.",
    "1 clip was hidden.": "1 klip został ukryty.",
    "1 clip may be shown again.": "1 klip może być pokazywany.",
    "1 warning was sent.": "Wysłano 1 ostrzeżenie.",
    "A warning": "Ostrzeżenie",
    "Account suspended": "Konto zawieszone",
    "Advertising or spam": "Reklama lub spam",
    "Back to sign-in": "Wróć do logowania",
    "Back to the clip": "Wróć do klipu",
    "End the suspension": "Zakończ zawieszenie",
    "Jobs by state": "Zadania według stanu",
    "Notices": "Powiadomienia",
    "Overview: work, storage, reports": "Przegląd: praca, miejsce, zgłoszenia",
    "Read them": "Przeczytaj",
    "Report a clip": "Zgłoś klip",
    "Report this clip": "Zgłoś ten klip",
    "Send report": "Wyślij zgłoszenie",
    "Show to others again": "Pokaż znów innym",
    "Suspension ended": "Zawieszenie zakończone",
    "Thank you": "Dziękujemy",
    "This clip is hidden": "Ten klip jest ukryty",
    "Clip hidden": "Klip ukryty",
    "Clip shown again": "Klip znów widoczny",
    "Warning": "Ostrzeżenie",
    "Already reported": "Klip już zgłoszony",
    "What should we know?": "Co powinniśmy wiedzieć?",
    "Your account is suspended": "Twoje konto jest zawieszone",
    "Your clip is hidden": "Twój klip jest ukryty",
}
# Resolves once a player has moved past its start. Runs in the page: its CSP blocks Playwright's polling.
PLAYED = """async player => {
    for (let n = 0; n < 200 && !(player.currentTime > 0.2); n++) await new Promise(done => setTimeout(done, 50));
    return player.currentTime > 0.2 && !player.paused;
}"""
A_MODERATOR = """
from django.contrib.auth.models import Permission
from accounts.models import User
User.objects.get(username="staff").user_permissions.add(Permission.objects.get(codename="moderate"))
"""
SOMEBODY_WITH_A_PUBLIC_VIDEO = """
from django.utils import timezone
from accounts.models import User
from gallery.models import Video, Visibility
user = User.objects.create_user({name!r}, "{name}@example.org", {password!r}, language={language!r})
old = Video.objects.filter(user__username="ada", format="mp4").first()
made = Video(user=user, title={title!r}, request={{**old.request, "prompt": {title!r}}})
for name in ("width", "height", "frames", "fps", "size", "video_file", "poster_file", "preview_file", "thumbnail_file"):
    setattr(made, name, getattr(old, name))
made.screening = old.screening
made.visibility, made.published_at = Visibility.PUBLIC, timezone.now()
made.save()
print(made.pk)
"""


@pytest.fixture(scope="module")
def letters(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("letters")


@pytest.fixture(scope="module")
def site(tmp_path_factory, letters):
    home = tmp_path_factory.mktemp("moderated") / "home"
    started = SeededSite(home, queues="cpu", EMAIL_URL=f"filemail:///{letters}").start()
    started.python(A_MODERATOR)
    yield started
    assert started.stop() == 0


def say(language: str, words: str) -> str:
    return words if language == "en" else POLISH[words]


def signed_in(browser, site, name: str, **options):
    host = urlsplit(site.url).hostname
    cookie = {"name": "sessionid", "value": site.session_of(name), "domain": host, "path": "/", "expires": -1}
    cookie |= {"httpOnly": True, "secure": False, "sameSite": "Lax"}
    return open_page(browser, site, storage_state={"cookies": [cookie], "origins": []}, **options)


def somebody(site, name: str, language: str) -> str:
    """Create a user with one public clip titled '<name>’s cat'; return the video's ID."""
    values = {"name": name, "password": PASSWORD, "language": language, "title": f"{name}’s cat"}
    return site.python(SOMEBODY_WITH_A_PUBLIC_VIDEO.format(**values))


def reports(page: Page, video: str, language: str, note: str) -> None:
    """Report a clip, from its page to the sent form."""
    page.goto(f"/videos/{video}/")
    page.get_by_role("link", name=say(language, "Report this clip")).click()
    expect(page.get_by_role("heading", level=1)).to_have_text(say(language, "Report a clip"))
    page.get_by_label(say(language, "Advertising or spam")).check()
    page.get_by_label(say(language, "What should we know?")).fill(note)
    page.get_by_role("button", name=say(language, "Send report")).click()


def decides(page: Page, action: str, button: str = "", sees: str = "") -> None:
    """Choose an action for the first row in the list's menu, or by its button on a report's page; then give the reason.

    The page that asks for the reason shows what was reported (`sees`).
    """
    if button:
        page.get_by_role("button", name=button, exact=True).click()
    else:
        chooses(page, action)
    expect(page.locator(".decide")).to_contain_text(sees)
    page.locator("[name=why]").fill(WHY.get(action, "Enough."))
    if action == "suspend":
        page.locator("[name=days]").select_option("3")
    page.locator(".submit-row input[type=submit]").click()


def chooses(page: Page, action: str) -> None:
    page.locator("#result_list tbody .action-select").first.check()
    page.locator("select[name=action]").select_option(action)
    page.locator("#changelist-form .actions button[type=submit]").click()


def says(page: Page, language: str, words: str) -> None:
    expect(page.locator(".messagelist")).to_contain_text(say(language, words))


def status(browser, site, path: str) -> int:
    context = browser.new_context(base_url=site.url)
    try:
        return context.request.get(path, max_redirects=0).status
    finally:
        context.close()


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("javascript", JAVASCRIPT)
def test_a_visitor_reports_what_they_watch_and_is_told_when_it_is_known(browser, site, language, javascript):
    video = somebody(site, f"dora-{language}-{javascript}".lower(), language)
    with open_page(browser, site, locale=language, java_script_enabled=javascript) as page:
        for expected in ("Thank you", "Already reported"):
            reports(page, video, language, "It sells tulips.")
            expect(page.get_by_role("heading", level=1)).to_have_text(say(language, expected))
            page.get_by_role("link", name=say(language, "Back to the clip")).click()
            expect(page).to_have_url(re.compile(f"/videos/{video}/$"))
    assert site.rows("SELECT note FROM gallery_report WHERE video_id = ?", video.replace("-", "")) == [
        ("It sells tulips.",)
    ]


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_moderators_morning(browser, site, letters, language):
    name = f"carl-{language}"
    video = somebody(site, name, language)
    queue = f"/admin/gallery/report/?q={name}"
    with (
        signed_in(browser, site, "ben", locale=language) as ben,
        signed_in(browser, site, "staff", locale=language) as moderator,
        open_page(browser, site, locale=language) as carls,
    ):
        carl = Person(carls, letters, language, name)
        carl.sign_in()
        expect(carl.account_menu).to_be_visible()
        reports(ben, video, language, "I know this cat.")
        sees_the_queue(moderator, queue, language)
        plays_in_the_list(moderator)
        decides(moderator, "hide", sees="I know this cat.")
        says(moderator, language, "1 clip was hidden.")
        assert status(browser, site, f"/videos/{video}/") == 404
        reads_why_it_is_hidden(carl, video, letters)
        moderator.goto(f"{queue}&state=all")
        decides(moderator, "warn")
        says(moderator, language, "1 warning was sent.")
        reads_the_newest_notice(carl, "Warning", WHY["warn"])
        carls.goto("about:blank")  # a page that stays open tries its socket again, and the browser logs each refusal
        moderator.goto(f"{queue}&state=all")
        decides(moderator, "suspend")
        says(moderator, language, "1 user was suspended.")
        is_shut_out_and_reads_why(carl)
        moderator.goto(f"/admin/accounts/user/?q={name}")
        moderator.locator("#result_list tbody th a").first.click()
        decides(moderator, "unsuspend", say(language, "End the suspension"))
        says(moderator, language, "1 suspension was ended.")
        moderator.goto(f"/admin/gallery/video/{video}/change/")
        decides(moderator, "restore", say(language, "Show to others again"))
        says(moderator, language, "1 clip may be shown again.")
        assert status(browser, site, f"/videos/{video}/") == 200
        has_the_whole_history(moderator, name, language)
        carl.sign_in()
        reads_the_newest_notice(carl, "Clip shown again", "Enough.")


def test_the_page_that_asks_for_a_decision_is_sound(browser, site):
    context = browser.new_context(base_url=site.url, storage_state=site.sign_in(browser, "admin"))
    page = context.new_page()  # without checking its log: axe itself violates the CSP there
    for action in ("hide", "suspend", "remove"):
        page.goto("/admin/gallery/report/")
        chooses(page, action)
        expect(page.locator(".decide .complaint").first).to_be_visible()
        assert too_wide(page) == []
        assert violations(page) == []
    context.close()


def test_in_the_queue_everything_fits_beside_the_filter(browser, site):
    with signed_in(browser, site, "staff", viewport={"width": 1280, "height": 900}) as page:
        page.goto("/admin/gallery/report/")
        assert page.locator("#changelist .results").evaluate("list => list.scrollWidth - list.clientWidth") == 0


def test_no_table_of_the_overview_stands_over_its_frame(browser, site):
    with signed_in(browser, site, "staff", locale="pl", viewport={"width": 360, "height": 900}) as page:
        page.goto("/admin/overview/")
        tables = page.locator(".overview section > table")
        assert tables.count() >= 4
        for table in tables.all():
            assert table.evaluate("t => t.offsetWidth <= t.parentElement.querySelector('h2').offsetWidth")


def sees_the_queue(page: Page, queue: str, language: str) -> None:
    page.goto("/admin/")
    page.get_by_role("link", name=say(language, "Overview: work, storage, reports")).click()
    expect(page.get_by_role("heading", name=say(language, "Jobs by state"))).to_be_visible()
    page.locator("section[aria-labelledby=o-reports] .overview__number a").click()
    page.goto(queue)
    expect(page.locator("#result_list")).to_contain_text("I know this cat.")
    expect(page.locator("#result_list")).to_contain_text(say(language, "Advertising or spam"))


def plays_in_the_list(page: Page) -> None:
    player = page.locator("#result_list video.moderation-clip").first
    assert player.evaluate("v => v.networkState") != 2, "it loads before anybody asked"
    player.focus()
    page.keyboard.press("Space")
    assert player.evaluate(PLAYED), "it does not play"


def reads_why_it_is_hidden(carl: Person, video: str, letters: Path) -> None:
    page = carl.page
    page.goto("/help/")
    page.get_by_role("link", name=say(carl.language, "Read them")).click()
    reads_the_newest_notice(carl, "Clip hidden", WHY["hide"])
    page.goto(f"/videos/{video}/")
    expect(page.get_by_role("main")).to_contain_text(say(carl.language, "This clip is hidden"))
    expect(page.get_by_role("main")).to_contain_text(WHY["hide"])
    assert too_wide(page) == []
    assert violations(page) == []
    notices = f"{page.url.split('/videos/')[0]}/notices/"
    wait_until(
        lambda: notices in written(letters).partition(f"To: {carl.email}")[2],  # the rest of it may come a moment later
        "no letter with the address of the notices came",
    )


def written(letters: Path) -> str:
    """Return the text of all emails sent."""
    return "".join(path.read_text() for path in letters.glob("*.log"))


def reads_the_newest_notice(carl: Person, what: str, why: str) -> None:
    carl.page.goto("/notices/")
    expect(carl.main.get_by_role("heading", level=1)).to_have_text(say(carl.language, "Notices"))
    newest = carl.main.get_by_role("article").first
    expect(newest).to_contain_text(say(carl.language, what))
    expect(newest).to_contain_text(why)
    expect(carl.page.locator(".unread")).to_have_count(0)


def is_shut_out_and_reads_why(carl: Person) -> None:
    carl.page.goto("/create/")
    carl.is_signed_out()
    carl.sign_in()
    expect(carl.main.get_by_role("heading", level=1)).to_have_text(say(carl.language, "Your account is suspended"))
    expect(carl.main).to_contain_text(WHY["suspend"])
    assert violations(carl.page) == []
    carl.page.get_by_role("button", name=say(carl.language, "Back to sign-in")).click()


def has_the_whole_history(page: Page, name: str, language: str) -> None:
    page.goto(f"/admin/gallery/moderationaction/?q={name}")
    rows = page.locator("#result_list tbody tr")
    acts = ["Clip shown again", "Suspension ended", "Account suspended", "Warning", "Clip hidden"]
    expect(rows).to_have_count(len(acts))
    for row, act in zip(rows.all(), acts, strict=True):
        expect(row).to_contain_text(say(language, act))
        expect(row).to_contain_text("staff")
    assert [why in page.locator("#result_list").inner_text() for why in WHY.values()] == [True] * 3
