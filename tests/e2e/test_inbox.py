"""From a dropped file to a style on the form, in a browser: the operator approves, and nothing is restarted."""

import re
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import expect

from generation.catalogue.entries import BUILTIN_MODELS
from generation.inbox import folder
from tests import model_files
from tests.e2e.conftest import open_page
from tests.e2e.soundness import too_wide, violations
from tests.single_files import write_kohya_lora
from tests.site import Site

pytestmark = [pytest.mark.e2e, pytest.mark.thorough]

LONG = "a_name_as_long_as_those_that_people_give_to_their_checkpoints_and_merges_of_merges_v3_pruned_fp16"

OPERATOR = """
from accounts.models import User
User.objects.filter(username="operator").update(is_staff=True, is_superuser=True)
"""


def cookies(site):
    """Return the operator's session, for a context of the browser."""
    cookie = {"name": "sessionid", "value": site.session_of("operator"), "domain": urlsplit(site.url).hostname}
    cookie |= {"path": "/", "expires": -1, "httpOnly": True, "secure": False, "sameSite": "Lax"}
    return {"cookies": [cookie], "origins": []}


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    home = tmp_path_factory.mktemp("inbox") / "home"
    box = folder.inbox(home)
    write_kohya_lora(box / "ink_wash.safetensors", BUILTIN_MODELS / "text-to-video", with_text=True)
    model_files.write(box / f"{LONG}.safetensors", model_files.checkpoint(vae=False))
    model_files.write(box / "detail-xl.safetensors", model_files.kohya(2048))
    (box / "old_favourite.ckpt").write_bytes(b"\x80\x02")
    (box / "page.safetensors").write_text("<!DOCTYPE html>")
    started = Site(home, queues="").start()
    started.make_user("operator")
    started.python(OPERATOR)
    yield started
    assert started.stop() == 0


@pytest.mark.parametrize("locale", ["en-GB", "pl-PL"])
def test_the_inbox_is_sound(browser, site, locale):
    with open_page(browser, site, storage_state=cookies(site), locale=locale) as page:
        page.goto("/admin/inbox/")
        expect(page.locator(".inbox__files > li")).to_have_count(5)
        assert too_wide(page) == []


def test_no_rule_of_accessibility_is_broken(browser, site):
    context = browser.new_context(base_url=site.url, storage_state=cookies(site))
    page = context.new_page()  # without checking its log: axe itself violates the CSP there
    page.goto("/admin/inbox/")
    assert violations(page) == []
    context.close()


def test_an_approved_style_is_on_the_form_at_once(browser, site):
    with open_page(browser, site, storage_state=cookies(site)) as page:
        page.goto("/create/?mode=advanced")
        expect(page.locator("[name=lora-ink-wash]")).to_have_count(0)
        page.goto("/admin/")
        page.get_by_role("link", name="Inbox: model files to approve").click()
        page.get_by_role("button", name="Approve ink_wash.safetensors").click()
        expect(page.get_by_text("The file ink_wash.safetensors can be used now, as ink-wash.")).to_be_visible()
        page.goto("/create/?mode=advanced")
        expect(page.get_by_role("heading", name=re.compile("^(Styles|Style)$"))).to_be_visible()
        expect(page.locator("[name=lora-ink-wash]")).to_have_count(1)
        page.goto("/admin/inbox/")
        page.get_by_role("button", name="Take the approval of ink wash back").click()
        expect(page.get_by_text("The file ink-wash.safetensors is in the inbox again.")).to_be_visible()
        page.goto("/create/?mode=advanced")
        expect(page.locator("[name=lora-ink-wash]")).to_have_count(0)
