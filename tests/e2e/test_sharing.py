"""Sharing as people do it: revoked links, public and back, likes, tags, Explore, embedding on other sites."""

import json
import re
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import urlencode, urlsplit

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.conftest import open_page
from tests.e2e.soundness import too_wide, violations
from tests.e2e.variants import JAVASCRIPT, LANGUAGES
from tests.seeded import SeededSite
from tests.site import PASSWORD

pytestmark = [pytest.mark.e2e, pytest.mark.thorough]

POLISH = {
    "Share with a link": "Udostępnij linkiem",
    "Make it public": "Upublicznij",
    "Make it private": "Ustaw jako prywatny",
    "Revoke the link": "Unieważnij link",
    "Link to share": "Link do udostępnienia",
    "Only you.": "Tylko Ty.",
    "Anyone with the link.": "Każdy, kto ma link.",
    "Everyone.": "Wszyscy.",
    "The link no longer works.": "Link już nie działa.",
    "Copy link": "Skopiuj link",
    "Copied": "Skopiowano",
    "Unlisted": "Tylko z linkiem",
    "Explore": "Odkrywaj",
    "Most liked": "Najbardziej lubiane",
    "Staff picks": "Wybór redakcji",
    "Prompt": "Prompt",
    "Seed": "Ziarno",
    "Untitled": "Bez tytułu",
    "Save what others can read": "Zapisz, co mogą przeczytać inni",
    "Saved what others can read.": "Zapisano, co mogą przeczytać inni.",
}
A_PRIVATE_VIDEO = """
from gallery.models import Video
from generation.models import Job
old = Video.objects.filter(user__username="ada", format="mp4").first()
made = Video(user=old.user, title={title!r}, request={{**old.request, "prompt": {title!r}}})
for name in ("width", "height", "frames", "fps", "size", "video_file", "poster_file", "preview_file", "thumbnail_file"):
    setattr(made, name, getattr(old, name))
made.screening = old.screening
made.save()
print(made.pk)
"""
MANY_PUBLIC_VIDEOS = """
from datetime import timedelta
from django.utils import timezone
from gallery.models import Video, Visibility
old = Video.objects.filter(user__username="ben", format="mp4").first()
for n in range({count}):
    made = Video(user=old.user, title=f"{word} {{n:02}}", request={{**old.request, "prompt": f"{word} {{n:02}}"}})
    for name in ("width", "height", "frames", "fps", "size"):
        setattr(made, name, getattr(old, name))
    for name in ("video_file", "poster_file", "preview_file", "thumbnail_file"):
        setattr(made, name, getattr(old, name))
    made.screening = old.screening
    made.visibility, made.published_at = Visibility.PUBLIC, timezone.now() - timedelta(days=400, minutes={count} - n)
    made.save()
"""
PEOPLE = """
from accounts.models import User
for n in range({count}):
    User.objects.create_user(f"liker{{n}}", f"liker{{n}}@example.org", {password!r})
"""


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    started = SeededSite(tmp_path_factory.mktemp("shared") / "home").start()
    yield started
    assert started.stop() == 0


def say(language: str, words: str) -> str:
    return words if language == "en" else POLISH[words]


def signed_in(browser, site, name: str, **options):
    cookie = {"name": "sessionid", "value": site.session_of(name), "url": site.url}
    return open_page(browser, site, storage_state={"cookies": [_full(cookie)], "origins": []}, **options)


def _full(cookie: dict) -> dict:
    """Return the cookie in the form of Playwright's storage state."""
    host = urlsplit(cookie.pop("url")).hostname
    return {**cookie, "domain": host, "path": "/", "expires": -1, "httpOnly": True, "secure": False, "sameSite": "Lax"}


def a_private_video(site, title: str) -> str:
    return site.python(A_PRIVATE_VIDEO.format(title=title))


def status(browser, site, path: str) -> int:
    """Return the HTTP status for a first-time visitor in a new browser."""
    context = browser.new_context(base_url=site.url)
    try:
        return context.request.get(path, max_redirects=0).status
    finally:
        context.close()


def press(page: Page, name: str) -> None:
    """Press a button of the panel and wait for the response."""
    with page.expect_response(lambda response: response.request.method == "POST"):
        page.get_by_role("main").get_by_role("button", name=name, exact=True).click()


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("javascript", JAVASCRIPT)
@pytest.mark.thorough
def test_a_link_is_shared_watched_elsewhere_and_revoked(browser, shared, language, javascript):
    video = a_private_video(shared, f"a boat for {language} {javascript}")
    with signed_in(browser, shared, "ada", locale=language, java_script_enabled=javascript) as page:
        page.goto(f"/videos/{video}/")
        panel = page.locator("#sharing")
        expect(panel).to_contain_text(say(language, "Only you."))
        press(page, say(language, "Share with a link"))
        expect(panel).to_contain_text(say(language, "Anyone with the link."))
        link = panel.get_by_label(say(language, "Link to share")).input_value()
        assert re.fullmatch(rf"{shared.url}/s/[\w-]{{43}}/", link)
        with open_page(browser, shared, locale=language, java_script_enabled=javascript) as visitor:
            answer = visitor.goto(link)
            assert answer.status == 200
            assert "noindex" in answer.headers["x-robots-tag"]
            expect(visitor.get_by_role("heading", level=1)).to_have_text(f"a boat for {language} {javascript}")
            expect(visitor.get_by_role("main")).to_contain_text(say(language, "Unlisted"))
            if javascript:
                visitor.wait_for_function("document.querySelector('video').readyState >= 1")
        press(page, say(language, "Revoke the link"))
        expect(page.get_by_role("main")).to_contain_text(say(language, "The link no longer works."))
        expect(panel).to_contain_text(say(language, "Only you."))
        assert {status(browser, shared, f"{link}{name}") for name in ("", "file/", "poster/", "preview/")} == {404}
        press(page, say(language, "Share with a link"))
        again = panel.get_by_label(say(language, "Link to share"))
        expect(again).not_to_have_value(link)
        assert (status(browser, shared, again.input_value()), status(browser, shared, link)) == (200, 404)


@pytest.mark.parametrize("language", LANGUAGES)
def test_public_and_back(browser, shared, language):
    title = f"a kite {language}"
    video = a_private_video(shared, title)
    addresses = [f"/videos/{video}/{name}" for name in ("", "file/", "poster/", "preview/", "thumbnail/", "download/")]
    addresses.append(f"/embed/{video}/")
    with signed_in(browser, shared, "ada", locale=language) as page, open_page(browser, shared) as visitor:
        page.goto(f"/videos/{video}/")
        assert {status(browser, shared, address) for address in addresses} == {404}
        press(page, say(language, "Make it public"))
        expect(page.locator("#sharing")).to_contain_text(say(language, "Everyone."))
        assert {status(browser, shared, address) for address in addresses} == {200}
        for place in ("/explore/", "/u/ada/"):
            visitor.goto(place)
            expect(visitor.get_by_role("link", name=title)).to_be_visible()
        visitor.get_by_role("link", name=title).click()
        expect(visitor.get_by_role("heading", level=1)).to_have_text(title)
        press(page, say(language, "Make it private"))
        expect(page.locator("#sharing")).to_contain_text(say(language, "Only you."))
        assert {status(browser, shared, address) for address in addresses} == {404}
        for place in ("/explore/", "/u/ada/"):
            visitor.goto(place)
            expect(visitor.get_by_role("link", name=title)).to_have_count(0)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("javascript", JAVASCRIPT)
def test_the_owner_chooses_what_others_read(browser, shared, language, javascript):
    word = f"heron{language}{javascript}"
    prompt = f"a {word} that nobody reads of"
    video = a_private_video(shared, prompt)
    with (
        signed_in(browser, shared, "ada", locale=language, java_script_enabled=javascript) as page,
        open_page(browser, shared, locale=language, java_script_enabled=javascript) as visitor,
    ):
        page.goto(f"/videos/{video}/")
        panel = page.locator("#sharing")
        assert violations(page) == [] if javascript else True
        for name in ("Prompt", "Seed"):
            panel.get_by_label(say(language, name), exact=True).uncheck()
        press(page, say(language, "Make it public"))
        expect(panel).to_contain_text(say(language, "Everyone."))
        expect(panel.get_by_label(say(language, "Prompt"), exact=True)).not_to_be_checked()
        visitor.goto(f"/videos/{video}/")
        expect(visitor.get_by_role("heading", level=1)).to_have_text(say(language, "Untitled"))
        assert word not in visitor.content()
        visitor.goto(f"/explore/?q={word}")
        assert visitor.get_by_role("article").count() == 0
        panel.get_by_label(say(language, "Prompt"), exact=True).check()
        press(page, say(language, "Save what others can read"))
        expect(page.get_by_role("main")).to_contain_text(say(language, "Saved what others can read."))
        visitor.goto(f"/videos/{video}/")
        expect(visitor.get_by_role("heading", level=1)).to_have_text(prompt)


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_link_is_copied_with_one_click(browser, shared, language):
    video = a_private_video(shared, f"a copied link {language}")
    options = {"locale": language, "permissions": ["clipboard-read", "clipboard-write"]}
    with signed_in(browser, shared, "ada", **options) as page:
        page.goto(f"/videos/{video}/")
        press(page, say(language, "Share with a link"))
        page.get_by_role("button", name=say(language, "Copy link")).click()
        expect(page.get_by_role("button", name=say(language, "Copied"), exact=True)).to_be_visible()
        expect(page.locator("#sharing .share__said")).to_have_text(say(language, "Copied"))
        link = page.get_by_label(say(language, "Link to share")).input_value()
        assert page.evaluate("navigator.clipboard.readText()") == link
        expect(page.get_by_role("button", name=say(language, "Copy link"))).to_be_visible()


def test_without_a_clipboard_that_a_page_may_use_it_is_copied_all_the_same(browser, shared):
    with signed_in(browser, shared, "ada", permissions=["clipboard-read"]) as page:
        page.add_init_script("navigator.clipboard.writeText = () => Promise.reject(new Error('refused'));")
        page.goto(f"/videos/{a_private_video(shared, 'copied in the old way')}/")
        press(page, "Share with a link")
        page.get_by_role("button", name="Copy link").click()
        expect(page.get_by_role("button", name="Copied", exact=True)).to_be_visible()
        assert page.evaluate("navigator.clipboard.readText()").startswith(f"{shared.url}/s/")


@pytest.mark.parametrize("javascript", JAVASCRIPT)
def test_tags_lead_to_what_has_them_and_a_wrong_one_is_said_at_its_field(browser, shared, javascript):
    title = f"tagged {javascript}"
    video = a_private_video(shared, title)
    with signed_in(browser, shared, "ada", java_script_enabled=javascript) as page:
        page.goto(f"/videos/{video}/")
        press(page, "Make it public")
        page.get_by_label("Tags").fill("sea, <b>")
        press(page, "Save tags")
        expect(page.locator("#sharing")).to_contain_text("“<b>” cannot be a tag")
        expect(page.get_by_label("Tags")).to_have_attribute("aria-invalid", "true")
        expect(page.get_by_label("Tags")).to_have_value("sea, <b>")
        page.get_by_label("Tags").fill(f"Wooden-{javascript} #sea")
        press(page, "Save tags")
        expect(page.get_by_role("main")).to_contain_text("Tags saved.")
    with open_page(browser, shared, java_script_enabled=javascript) as visitor:
        visitor.goto(f"/videos/{video}/")
        visitor.get_by_role("link", name=f"#wooden-{javascript}".lower()).click()
        expect(visitor.get_by_role("heading", level=2)).to_have_text([title])
        visitor.get_by_role("link", name="Show all clips").click()
        expect(visitor).to_have_url(re.compile("/explore/$"))


@pytest.mark.parametrize("javascript", JAVASCRIPT)
def test_a_visitor_signs_in_to_like_and_comes_back(browser, shared, javascript):
    video = shared.values["of-ben"]
    with open_page(browser, shared, java_script_enabled=javascript) as page:
        page.goto(f"/videos/{video}/")
        page.get_by_role("main").get_by_role("link", name=re.compile("^Like")).click()
        page.locator("[name=login]").fill("staff")
        page.locator("[name=password]").fill(PASSWORD)
        page.get_by_role("main").get_by_role("button", name="Sign in", exact=True).click()
        expect(page).to_have_url(re.compile(f"/videos/{video}/$"))
        button = page.get_by_role("main").get_by_role("button", name=re.compile("^Like"))
        before, was = int(button.inner_text()), button.get_attribute("aria-pressed")
        change = -1 if was == "true" else 1
        button.click()
        expect(button).to_have_text(str(before + change))
        expect(button).to_have_attribute("aria-pressed", "false" if was == "true" else "true")
        if javascript:
            expect(button).to_be_focused()
        page.goto("/explore/")
        card = page.locator(".card", has=page.locator(f"a[href*='{video}']"))
        expect(card.get_by_role("button")).to_have_text(str(before + change))
        card.get_by_role("button").click()
        expect(card.get_by_role("button")).to_have_text(str(before))
        expect(page).to_have_url(re.compile("/explore/$"))


def test_likes_of_many_at_once_are_counted_once_each(shared):
    """Press Like as six users at the same moment, twice each, on the site's own database."""
    video = shared.values["of-ben"]
    shared.python(PEOPLE.format(count=6, password=PASSWORD))
    sessions = [shared.session_of(f"liker{n}") for n in range(6)]
    (before,) = shared.rows("SELECT likes FROM gallery_video WHERE id = ?", video.replace("-", ""))[0]

    def like(session: str, value: str) -> int:
        token = "x" * 32
        connection = HTTPConnection(urlsplit(shared.url).netloc, timeout=60)
        headers = {
            "Cookie": f"sessionid={session}; csrftoken={token}",
            "X-CSRFToken": token,
            "Content-Type": "application/x-www-form-urlencoded",
        }
        connection.request("POST", f"/videos/{video}/like/", urlencode({"liked": value}), headers)
        return connection.getresponse().status

    def likes() -> tuple[int, int]:
        key = video.replace("-", "")
        return (
            shared.rows("SELECT likes FROM gallery_video WHERE id = ?", key)[0][0] - before,
            shared.rows(
                "SELECT COUNT(*) FROM gallery_like AS l JOIN accounts_user AS u ON u.id = l.user_id"
                " WHERE l.video_id = ? AND u.username LIKE 'liker%'",
                key,
            )[0][0],
        )

    with ThreadPoolExecutor(12) as pool:
        assert set(pool.map(like, sessions * 2, ["yes"] * 12)) == {302}
        assert likes() == (6, 6)
        assert set(pool.map(like, sessions * 2, ["no"] * 12)) == {302}
        assert likes() == (0, 0)


@pytest.mark.parametrize("language", LANGUAGES)
def test_explore_is_searched_and_sorted(browser, shared, language):
    with open_page(browser, shared, locale=language) as page:
        page.goto("/")
        page.get_by_role("banner").get_by_role("link", name=say(language, "Explore")).click()
        titles = page.locator(".card__title")
        page.get_by_role("searchbox").fill("purple sunset")
        page.keyboard.press("Enter")
        expect(titles).to_have_text(["a large purple heart circling at sunset"])
        page.get_by_role("searchbox").fill("nothing like this")
        page.keyboard.press("Enter")
        expect(page.locator(".empty h2")).to_contain_text("nothing like this")
        page.locator(".empty a").click()
        page.get_by_role("link", name=say(language, "Most liked")).click()
        expect(page).to_have_url(re.compile("sort=liked"))
        page.wait_for_load_state()
        counts = [int(text) for text in page.locator(".like__button").all_inner_texts()]
        assert len(counts) >= 4
        assert counts == sorted(counts, reverse=True)
        page.get_by_role("link", name=say(language, "Staff picks")).click()
        expect(titles).to_have_count(2)
        expect(page.locator(".badge--pick")).to_have_count(2)


def test_scrolling_goes_on_until_the_end_and_shows_nothing_twice(browser, shared):
    shared.python(MANY_PUBLIC_VIDEOS.format(count=60, word="lantern"))
    expected = [f"lantern {n:02}" for n in reversed(range(60))]
    with open_page(browser, shared, viewport={"width": 1280, "height": 900}) as page:
        page.goto("/explore/?q=lantern")
        expect(page.locator(".card")).to_have_count(24)
        for count in (48, 60):
            page.mouse.wheel(0, 20_000)
            expect(page.locator(".card")).to_have_count(count)
        assert page.locator(".card__title").all_inner_texts() == expected
        expect(page.get_by_role("link", name="More", exact=True)).to_have_count(0)
        expect(page.get_by_role("status").filter(has_text="12 more clips")).to_contain_text("That is everything.")
    with open_page(browser, shared, java_script_enabled=False) as page:
        page.goto("/explore/?q=lantern")
        expect(page.locator(".card__title")).to_have_text(expected[:24])
        for shown in (expected[24:48], expected[48:]):
            page.get_by_role("link", name="More", exact=True).click()
            expect(page.locator(".card__title")).to_have_text(shown)
        page.get_by_role("link", name="Back", exact=True).click()
        expect(page.locator(".card__title")).to_have_text(expected[24:48])


def test_going_back_from_a_clip_keeps_the_place_in_the_list(browser, shared):
    """On the second page, 34 is at the top: the offset it had in the longer list shows the page's end."""
    shared.python(MANY_PUBLIC_VIDEOS.format(count=60, word="beacon"))
    with open_page(browser, shared, viewport={"width": 1280, "height": 900}) as page:
        page.goto("/explore/?q=beacon")
        page.mouse.wheel(0, 20_000)
        expect(page.locator(".card")).to_have_count(48)
        page.get_by_role("link", name="beacon 34", exact=True).click()
        expect(page.get_by_role("heading", level=1)).to_have_text("beacon 34")
        page.go_back()
        page.wait_for_load_state("networkidle")
        expect(page.get_by_role("link", name="beacon 34", exact=True)).to_be_in_viewport()
        expect(page.get_by_role("searchbox")).to_have_value("beacon")


@pytest.mark.parametrize("by", ["mouse", "focus"])
def test_a_card_moves_under_the_pointer_and_in_focus_and_loads_no_video(browser, shared, by):
    with open_page(browser, shared) as page:
        requests: list[str] = []
        page.on("request", lambda request: requests.append(urlsplit(request.url).path))
        page.goto("/explore/")
        card = page.locator(".card").first
        with page.expect_response("**/preview/"):
            card.hover() if by == "mouse" else card.get_by_role("link").first.focus()
        expect(card.locator(".card__preview")).to_be_visible()
        page.get_by_role("banner").hover() if by == "mouse" else page.get_by_role("searchbox").focus()
        expect(card.locator(".card__preview")).to_have_count(0)
        assert [path for path in requests if path.endswith("/file/")] == []


def test_another_site_finds_the_player_and_puts_it_into_a_frame(browser, shared):
    with open_page(browser, shared) as page:
        page.goto(f"/videos/{shared.values['of-ben']}/")
        discovery = page.locator("link[type='application/json+oembed']").get_attribute("href")
        found = json.loads(page.request.get(f"{discovery}&maxwidth=200").text())
        assert (found["type"], found["width"]) == ("video", 200)
        image = page.locator("meta[property='og:image']").get_attribute("content")
        assert page.request.get(image).headers["content-type"] == "image/jpeg"
        with another_site(f"<!doctype html><title>Elsewhere</title><h1>Elsewhere</h1>{found['html']}") as address:
            page.goto(address)
            frame = page.frame_locator("iframe")
            expect(frame.get_by_role("heading")).to_contain_text(found["title"])
            expect(frame.locator("video")).to_have_js_property("videoWidth", 256)


@contextmanager
def another_site(html: str):
    """Yield the address of another site, which has only this page."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/" else 204)  # no favicon
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            if self.path == "/":
                self.wfile.write(html.encode())

        def log_message(self, *_arguments: object) -> None:
            """Keep requests out of the tests' output."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://localhost:{server.server_port}/"
    finally:
        server.shutdown()


@pytest.mark.parametrize("path", ["/embed/{of-ben}/", "/s/{token}/embed/"])
def test_the_player_for_other_sites_is_sound(browser, shared, path):
    with open_page(browser, shared, reduced_motion="reduce") as page:
        assert page.goto(path.format(**shared.values)).status == 200
        assert too_wide(page) == []
        assert violations(page) == []


def test_creating_from_a_shared_video_starts_with_its_prompt(browser, shared):
    with signed_in(browser, shared, "ben") as page:
        page.goto(f"/s/{shared.values['token']}/")
        prompt = page.get_by_role("heading", level=1).inner_text()
        page.get_by_role("link", name="Create from this").click()
        expect(page.locator("[name=prompt]")).to_have_value(prompt)
