"""Search engines read nothing of a private site, and of a public one what visitors may see, but no private page."""

import re

import pytest
from django.urls import reverse

from tests.addresses import Address, addresses
from tests.auravideo.test_access import rows_of

ID = "2f1c9a52-6d0e-4c5e-9b53-0d8a7e1f4c11"
LISTED = {
    "home",
    "help",
    "gallery:explore",
    "gallery:profile",
    *(f"gallery:{name}" for name in ("video", "file", "poster", "preview", "thumbnail", "cover", "embed")),
    # Their headers say `noindex`, which crawlers see only if they may ask.
    *("gallery:shared", "gallery:shared-file", "gallery:shared-embed"),
}
PRIVATE = [address for address in addresses() if any(row[1:3] == ["GET", "in"] for row in rows_of(address))]


def may_read(robots: str, path: str) -> bool:
    """Return whether a crawler may fetch a path: the longest rule that fits decides (RFC 9309, 2.2.2)."""
    fitting = [("", "Allow")]
    for line in robots.splitlines():
        kind, _, rule = line.partition(": ")
        pattern = re.escape(rule).replace(r"\*", ".*").replace(r"\$", "$")
        if kind in ("Allow", "Disallow") and re.match(pattern, path):
            fitting.append((rule, kind))
    return max(fitting, key=lambda found: (len(found[0]), found[1] == "Allow"))[1] == "Allow"


def path_of(address: Address) -> str:
    return re.sub(r"<[^>]*>", ID, address.route)


@pytest.fixture
def robots(client, settings):
    """Return a function that fetches robots.txt."""

    def fetch(*, public: bool, who: str = "*") -> str:
        settings.SEARCH_ENGINES = public
        response = client.get("/robots.txt")
        assert (response.status_code, response["Content-Type"]) == (200, "text/plain; charset=utf-8")
        (group,) = [group for group in response.text.split("\n\n") if f"User-agent: {who}\n" in group]
        return group

    return fetch


def test_a_site_is_private_until_its_operator_says_otherwise(client):
    assert reverse("robots-txt") == "/robots.txt"
    assert client.get("/robots.txt").text.endswith("\n\nUser-agent: *\nDisallow: /\n")


def test_nothing_of_a_private_site_may_be_read(robots):
    text = robots(public=False)
    assert [address.name for address in addresses() if may_read(text, path_of(address))] == []


@pytest.mark.parametrize("public", [True, False])
def test_links_that_somebody_sends_have_previews(robots, public):
    text = robots(public=public, who="Twitterbot")
    found = {address.name for address in addresses() if may_read(text, path_of(address))}
    assert found >= LISTED
    assert [address.name for address in PRIVATE if address.name in found] == []


def test_no_page_that_asks_for_signing_in_may_be_read(robots):
    text = robots(public=True)
    assert len(PRIVATE) > 50
    assert [address.name for address in PRIVATE if may_read(text, path_of(address))] == []


def test_what_visitors_see_of_a_public_site_may_be_read(robots):
    text = robots(public=True)
    found = {address.name for address in addresses() if may_read(text, path_of(address))}
    assert found >= LISTED


@pytest.mark.parametrize(
    ("path", "expected"), [("/a/", False), ("/a/b/", True), ("/a/b/c", False), ("/elsewhere/", True), ("/a/b/x/", True)]
)
def test_rules_are_read_as_the_standard_says(path, expected):
    rules = "User-agent: *\nAllow: /a/b*/$\nDisallow: /a/\n"
    assert may_read(rules, path) is expected
