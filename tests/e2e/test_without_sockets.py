"""Behind a proxy that lets no WebSocket through, a page asks for its news and says so."""

import pytest
from playwright.sync_api import expect

from tests.e2e.test_watching import BEGIN, FAIL, sign_in
from tests.rigs import plain_proxy

pytestmark = [pytest.mark.e2e, pytest.mark.thorough]

ASKING = {
    "en-GB": "Live updates are not getting through, so this page checks for news every few seconds.",
    "pl-PL": "Aktualizacje na żywo nie docierają, więc ta strona co kilka sekund sprawdza, co nowego.",
}
GENERATING = {"en-GB": "Generating", "pl-PL": "Generowanie"}


@pytest.fixture
def proxy(pages_only):
    with plain_proxy.in_front_of(pages_only.port) as proxy:
        yield proxy


@pytest.fixture(params=ASKING)
def page(browser, proxy, request):
    """Yield a page behind the proxy. It logs every socket that is refused, so what it logs does not matter."""
    context = browser.new_context(base_url=proxy.url, locale=request.param)
    found = context.new_page()
    found.locale = request.param
    yield found
    context.close()


@pytest.mark.parametrize("behaviour", ["strip", "refuse", "hang"])
def test_the_page_asks_for_news_until_a_socket_opens(page, pages_only, proxy, behaviour):
    proxy.on_upgrade = behaviour
    (job,) = sign_in(page, pages_only, 1)
    page.goto(f"/jobs/{job}/")
    status, line = page.locator(f"#job-{job} .job__status"), page.locator("#offline")
    expect(line).to_have_text(ASKING[page.locale], timeout=60_000)
    pages_only.python(BEGIN.format(job=job))
    expect(status).to_have_text(GENERATING[page.locale], timeout=60_000)
    expect(page.locator(f"#active-{job}")).to_have_attribute("data-status", "running")
    assert proxy.upgrades > 0

    if behaviour == "hang":
        return  # the browser waits minutes for an answer
    proxy.on_upgrade = "pass"
    expect(line).to_be_hidden(timeout=90_000)
    asked = []
    page.on("request", lambda request: asked.append(request.url) if "/jobs/updates/" in request.url else None)
    pages_only.python(FAIL.format(job=job))
    expect(page.locator(f"#job-{job}")).to_have_attribute("data-status", "failed")
    assert asked == []


def test_a_page_whose_user_was_signed_out_says_so_and_stays(page, pages_only, proxy):
    sign_in(page, pages_only, 0)
    page.goto("/create/")
    with page.expect_response("**/create/summary/**"):  # typing asks for a summary, and that would lead to signing in
        page.locator("#id_prompt").fill("a heart")
    page.context.clear_cookies(name="sessionid")
    signed_out = {"en-GB": "You have been signed out", "pl-PL": "Sesja wygasła"}[page.locale]
    expect(page.locator("#offline")).to_contain_text(signed_out, timeout=60_000)
    expect(page.locator("#id_prompt")).to_have_value("a heart")
