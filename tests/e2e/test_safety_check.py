"""A safety check as an operator configures it: their own module, loaded and called by a real worker."""

import time
from uuid import UUID

import pytest
from playwright.sync_api import expect

from tests.e2e.conftest import open_page
from tests.site import PASSWORD, Site

pytestmark = [pytest.mark.e2e, pytest.mark.renders, pytest.mark.thorough]

CHECK = '''
def no_hearts(request, files):
    """Looks at the prompt, and reads the picture as one that looks at it would."""
    with files["poster"].open("rb") as poster:
        if poster.read(4) != b"RIFF":
            raise ValueError("no picture")
    return "heart" not in request["prompt"]
'''
SAID = "SELECT safety, COUNT(*) FROM gallery_video WHERE visibility <> 'private' GROUP BY safety"
WAIT_SECONDS = 180


@pytest.fixture(scope="module")
def checked(tmp_path_factory):
    folder = tmp_path_factory.mktemp("checked")
    (folder / "mine.py").write_text(CHECK)
    check = {"AURAVIDEO_SAFETY_CHECK": "mine.no_hearts", "PYTHONPATH": str(folder)}
    started = Site(folder / "home", queues="cpu", **check).start()
    yield started
    assert started.stop() == 0


def test_what_others_see_is_what_has_passed(browser, checked):
    done = checked.manage("seed_demo", "--password", PASSWORD)
    assert done.returncode == 0, done.stderr
    deadline = time.monotonic() + WAIT_SECONDS
    while "unchecked" in dict(checked.rows(SAID)) and time.monotonic() < deadline:
        time.sleep(0.5)
    assert set(dict(checked.rows(SAID))) == {"passed", "refused"}
    with open_page(browser, checked) as visitor:
        visitor.goto("/explore/")
        titles = visitor.locator(".card__title").all_inner_texts()
        assert len(titles) >= 2
        assert [title for title in titles if "heart" in title] == []
    (refused,) = checked.rows("SELECT id FROM gallery_video WHERE safety = 'refused' AND prompt LIKE '%sea%'")[0]
    session = {"name": "sessionid", "value": checked.session_of("ada"), "url": checked.url}
    with open_page(browser, checked) as owner:
        owner.context.add_cookies([session])
        owner.goto(f"/videos/{UUID(refused)}/")
        expect(owner.locator("#sharing")).to_contain_text("safety check rejected this clip")
