"""Open a page as one of the users of `tests/e2e/library_site.py`, without signing in by hand."""

from contextlib import contextmanager

from tests.e2e.conftest import open_page
from tests.site import Site

_COOKIE = {"domain": "127.0.0.1", "path": "/", "expires": -1, "httpOnly": True, "secure": False, "sameSite": "Lax"}


@contextmanager
def visit(browser, site: Site, name: str, path: str = "/videos/", **options: object):
    """Yield a page of a signed-in user (`options` are Playwright's); fail at the end if it logged errors."""
    cookie = {"name": "sessionid", "value": site.session_of(name), **_COOKIE}
    state = {"cookies": [cookie], "origins": []}
    with open_page(browser, site, storage_state=state, **options) as page:
        page.goto(path)
        yield page
