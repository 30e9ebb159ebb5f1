"""A user with quotas: what is left is on the form, what is too much is said before and at its field, and explained."""

import pytest
from playwright.sync_api import expect

from tests.e2e.soundness import too_small, too_wide, violations
from tests.e2e.variants import LANGUAGES
from tests.e2e.visits import visit
from tests.site import Site

pytestmark = pytest.mark.e2e

LIMIT = """
from datetime import timedelta
from django.utils import timezone
from accounts.models import User
from generation.models import LedgerEntry, Quota
user = User.objects.get(username={name!r})
Quota.objects.create(user=user, waiting=4, seconds_a_day=10, max_side=512, max_seconds=6, storage_mb=100)
LedgerEntry.objects.create(user=user, seconds=6, size=0, counted_at=timezone.now() - timedelta(hours=3))
"""
TEXTS = {
    "en": {
        "left": "4 s of 10 s of video left",
        "room": "room for 4 more clips in your queue",
        "too much": "This needs 6 s of video, and you have 4 s left until",
        "refused": "Choose a shorter length or fewer clips, or wait.",
        "length": "7 s (more than your account allows)",
        "less left": "1 s of 10 s of video left",
        "allowance": "Your allowance",
        "used": "9 s of 10 s used, 1 s left",
        "free": "6 s come free on",
        "waiting": "1 of 4 clips",
    },
    "pl": {
        "left": "zostało 4 s wideo z 10 s",
        "room": "w kolejce zmieszczą się jeszcze 4 klipy",
        "too much": "To wymaga 6 s wideo, a do",
        "refused": "Wybierz krótszą długość albo mniej klipów lub poczekaj.",
        "length": "7 s (więcej, niż pozwala Twoje konto)",
        "less left": "zostało 1 s wideo z 10 s",
        "allowance": "Twoje limity",
        "used": "wykorzystano 9 s z 10 s, zostało 1 s",
        "free": "6 s zwolni się",
        "waiting": "1 z 4 klipów",
    },
}


@pytest.fixture(scope="module")
def limited(pages_only: Site):
    """Return a function that makes a user with quotas, who has used up a part."""

    def make(name: str) -> str:
        pages_only.python(LIMIT.format(name=pages_only.make_user(name)))
        return name

    return make


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_quota_is_seen_before_it_is_reached_and_what_is_refused_is_not_lost(browser, pages_only, limited, language):
    name, texts = limited(f"limited-{language}"), TEXTS[language]
    with visit(browser, pages_only, name, "/create/?mode=simple", locale=language) as page:
        summary, length = page.locator("#summary"), page.locator("select[name=seconds]")
        expect(summary).to_contain_text(texts["left"])
        expect(summary).to_contain_text(texts["room"])
        beyond = length.locator("option[value='7']")
        expect(beyond).to_have_text(texts["length"])
        expect(beyond).to_be_disabled()
        page.locator("[name=prompt]").fill("a small blue star over the sea")
        length.select_option("3")
        page.locator("[name=variations][value='2']").check()
        expect(summary).to_contain_text(texts["too much"])
        expect(summary.locator(".notice time")).to_be_visible()
        page.locator("[data-make]").click()
        expect(page.locator(".field:has(select[name=seconds]) .errorlist")).to_contain_text(texts["refused"])
        expect(page.locator("[name=prompt]")).to_have_value("a small blue star over the sea")
        expect(page.locator("[name=variations][value='2']")).to_be_checked()
        assert violations(page) == []
        assert too_wide(page) == []
        page.locator("[name=variations][value='1']").check()
        page.locator("[data-make]").click()
        expect(page.locator("#feed-jobs .job")).to_have_count(1)
        expect(summary).to_contain_text(texts["less left"])
        summary.get_by_role("link", name=texts["allowance"]).click()
        main = page.get_by_role("main")
        expect(main.get_by_role("heading", level=1)).to_have_text(texts["allowance"])
        for told in ("used", "free", "waiting"):
            expect(main).to_contain_text(texts[told])
        expect(page.get_by_role("meter")).to_have_count(3)
        assert violations(page) == []
        assert too_wide(page) == []
        assert too_small(page) == []
