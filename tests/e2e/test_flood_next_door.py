"""A stranger floods the site from the address of a school: whoever has signed in there goes on."""

import asyncio
import http.cookiejar
import time
import urllib.request
from dataclasses import replace
from itertools import cycle

import pytest

from tests.rigs.flood import kinds
from tests.rigs.flood.sending import Flood, Request, flood, one_after_the_other
from tests.seeded import SeededSite

pytestmark = [pytest.mark.e2e, pytest.mark.slow]  # on a machine that is busy otherwise, somebody may be turned away

SECONDS = 8
ELSEWHERE = "127.0.0.50"


def cookies_of(site: SeededSite, name: str) -> str:
    """Return the cookies of a browser that is signed in and has seen a page."""
    session = f"sessionid={site.session_of(name)}"
    jar = http.cookiejar.CookieJar()
    browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(jar))
    with browser.open(urllib.request.Request(f"{site.url}/videos/", headers={"Cookie": session})) as page:
        assert page.status == 200
    return "; ".join([session, *(f"{cookie.name}={cookie.value}" for cookie in jar)])


async def visit(site, strangers: list[Request], cookies: dict[str, str]) -> tuple[Flood, dict[str, Flood]]:
    """Flood the site; meanwhile let people look at pages. Return what became of all."""
    until = time.monotonic() + SECONDS
    own = {
        name: Request("library", "GET", "/videos/", strangers[0].source, (("Cookie", cookie),) if cookie else ())
        for name, cookie in cookies.items()
    }
    own["elsewhere"] = Request("explore", "GET", "/explore/", ELSEWHERE)
    people = {
        name: asyncio.create_task(
            one_after_the_other(site.port, cycle([request]), 0.3, lambda: time.monotonic() >= until)
        )
        for name, request in own.items()
    }
    await asyncio.sleep(0.3)
    found = await flood(site.port, strangers, 150, SECONDS - 1)
    return found, {name: Flood(await task) for name, task in people.items()}


def test_whoever_has_signed_in_is_served_while_a_stranger_floods_the_site_from_the_same_address(tmp_path):
    site = SeededSite(tmp_path / "home").start()
    try:
        kinds.fill(site, "ada", 2_000)
        reading = [request for request in kinds.anonymous(site) if request.method == "GET"]
        strangers = [replace(request, source="127.0.0.1") for request in reading]
        cookies = {"signed in": cookies_of(site, "ada"), "a visitor": ""}
        found, people = asyncio.run(visit(site, strangers, cookies))
    finally:
        assert site.stop() == 0
    assert found.all.statuses[429] > 300, "it was no flood"
    assert set(people["signed in"].all.statuses) == {200}
    assert set(people["elsewhere"].all.statuses) == {200}
    assert people["signed in"].all.sent >= 5
    assert people["a visitor"].all.statuses[429] > 0, "a visitor shares the budget of the address"
