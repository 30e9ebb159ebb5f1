"""The library by dates, in a browser: found by its week, selected by its heading, in the reader's time zone."""

import re
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import expect

from tests.e2e.soundness import too_wide, violations
from tests.e2e.visits import visit

pytestmark = [pytest.mark.e2e, pytest.mark.thorough]

SHOWN_AT_ONCE = 24
AGE = """
from datetime import timedelta
from django.utils import timezone
from gallery.models import Video
days = {days}
for number, video in enumerate(Video.objects.filter(user__username={name!r}).order_by("-created_at")):
    made = timezone.now() - timedelta(days=days[number // {each}], minutes=number)
    Video.objects.filter(pk=video.pk).update(created_at=made)
"""


@pytest.fixture(scope="module")
def dated_site(pages_only):
    """Give 'dora' two clips of today, of a week ago and of a hundred days ago, and 'max' thirty of each."""
    pages_only.python("from tests.e2e.library_site import fill; fill({'dora': 6, 'max': 60, 'noon': 1})")
    pages_only.python(AGE.format(days=[0, 7, 100], name="dora", each=2))
    pages_only.python(AGE.format(days=[0, 100], name="max", each=30))
    return pages_only


def titles(page):
    return page.locator("#cards .card__title")


def a_zone_where_it_is(hour: int) -> str:
    """Return a time zone whose clock shows this hour now. `Etc/GMT-5` is five hours ahead of Greenwich."""
    ahead = (hour - datetime.now(UTC).hour + 12) % 24 - 12
    return f"Etc/GMT{-ahead:+}"


@contextmanager
def at_noon(browser, site, name):
    """Visit the library of somebody for whom it is about noon, so that no clip of today is one of yesterday."""
    with visit(browser, site, name, timezone_id=a_zone_where_it_is(12)) as page:
        page.reload()  # the first page could not know the zone yet
        yield page


def test_a_clip_of_last_week_is_two_clicks_away(browser, dated_site):
    with at_noon(browser, dated_site, "dora") as page:
        page.get_by_role("navigation", name="Dates").get_by_role("link", name="Last week").click()
        expect(page.locator("#cards .dated__title")).to_have_text(["Last week"])
        expect(titles(page)).to_have_text(["Clip 3", "Clip 4"])
        assert violations(page) == []
        page.get_by_role("link", name="Clip 3", exact=True).click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Clip 3")


def test_a_heading_selects_what_is_shown_under_it(browser, dated_site):
    with at_noon(browser, dated_site, "dora") as page:
        count = page.locator("#selection output")
        box = page.get_by_label("Select: Last week")
        box.check()
        expect(count).to_have_text("2")
        assert page.locator(".card:has(.card__choose:checked) .card__title").all_inner_texts() == ["Clip 3", "Clip 4"]
        page.get_by_role("checkbox", name="Select: Clip 4").uncheck()
        expect(box).to_have_js_property("indeterminate", True)
        page.get_by_label("Select everything shown").check()
        expect(box).to_be_checked()
        box.uncheck()
        expect(count).to_have_text("4")
        assert violations(page) == []
        assert too_wide(page) == []


def test_a_group_that_goes_on_while_scrolling_has_one_heading(browser, dated_site):
    with at_noon(browser, dated_site, "max") as page:
        expect(page.locator("#cards .dated")).to_have_count(1)
        for shown in (2 * SHOWN_AT_ONCE, 60):
            page.locator("#older").scroll_into_view_if_needed()
            expect(page.locator("#cards .card")).to_have_count(shown)
        expect(page.locator("#cards .dated")).to_have_count(2)
        page.get_by_label("Select: Today").check()
        expect(page.locator("#selection output")).to_have_text("30")


def test_days_that_are_typed_narrow_the_grid_and_the_address(browser, dated_site):
    day = (datetime.now(UTC) - timedelta(days=100)).date().isoformat()
    with visit(browser, dated_site, "dora", timezone_id="UTC") as page:
        page.get_by_label("Until").fill(day)
        expect(page).to_have_url(re.compile(rf"\?until={day}$"))
        expect(page.locator("#cards .card")).to_have_count(2)
        page.get_by_role("link", name="Any time").click()
        expect(page.locator("#cards .card")).to_have_count(6)


@pytest.mark.parametrize(("hour", "is_today"), [(18, True), (6, False)])
def test_days_begin_at_the_readers_midnight(browser, dated_site, hour, is_today):
    dated_site.python(AGE.format(days=[0.5], name="noon", each=1))
    with visit(browser, dated_site, "noon", timezone_id=a_zone_where_it_is(hour)) as page:
        page.reload()  # the first page could not know the zone yet
        heading = page.locator("#cards .dated__title")
        expect(heading).to_have_count(1)
        assert (heading.inner_text() == "Today") == is_today


def test_dates_work_without_javascript(browser, dated_site):
    with visit(browser, dated_site, "dora", java_script_enabled=False) as page:
        page.get_by_role("link", name="Last week").click()
        expect(titles(page)).to_have_text(["Clip 3", "Clip 4"])
        expect(page.locator("[data-select-period]")).to_be_hidden()
