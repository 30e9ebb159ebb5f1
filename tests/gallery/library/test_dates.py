"""The library by dates: headings, the filter and the list of periods, in the reader's time zone."""

import html
import re
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest
from django.db import connection
from django.http import QueryDict
from django.utils import timezone

from auravideo.core.keyset import Order, Page
from auravideo.core.middleware import ZONE_COOKIE
from gallery.access import library_of
from gallery.library import dates
from gallery.library.forms import LibraryForm
from gallery.library.selectors import with_videos
from gallery.models import SearchDoc, Video
from gallery.search import query as search
from tests.factories import VideoFactory

URL = "/videos/"
NOW = datetime(2026, 11, 26, 9, 30, tzinfo=UTC)  # a Thursday
TODAY = NOW.date()
HTMX = {"HX-Request": "true"}


@pytest.fixture(autouse=True)
def _now(monkeypatch):
    monkeypatch.setattr(timezone, "now", lambda: NOW)


@pytest.fixture
def library(client, user, other_user):
    """Return a function that creates videos of the user at these moments, entitled by them."""
    client.force_login(user)

    def fill(*moments: str, owner=user) -> None:
        for moment in moments:
            video = VideoFactory(user=owner, title=moment)
            Video.objects.filter(pk=video.pk).update(created_at=datetime.fromisoformat(moment).replace(tzinfo=UTC))

    fill("2024-05-05T12:00", owner=other_user)
    return fill


def listed(response) -> list[str]:
    """Return the headings and titles of a page, in order."""
    text = response.content.decode()
    return [
        one or two for one, two in re.findall(r'dated__title">([^<]+)<|card__title"><a href="[^"]+">([^<]+)<', text)
    ]


def periods(response) -> dict[str, str]:
    """Return the query string of each period offered."""
    nav = re.search(r'<nav class="dates".*?</nav>', response.content.decode(), re.DOTALL)
    links = re.findall(r'href="([^"]+)"[^>]*>([^<]+)<', nav[0]) if nav else []
    return {label: html.unescape(address).removeprefix(URL) for address, label in links}


# --- Headings ---------------------------------------------------------------------------------------------------------

MADE = {
    "Today": "2026-11-26T08:00",
    "This week": "2026-11-23T00:00",
    "Last week": "2026-11-22T23:59",
    "November": "2026-11-15T23:59",
    "October": "2026-10-31T23:59",
    "December 2025": "2025-12-24T18:00",
}


@pytest.mark.django_db
def test_headings_divide_the_library_by_date(client, library):
    library(*MADE.values(), "2026-10-31T12:00")
    assert listed(client.get(URL)) == [
        *(text for heading in list(MADE.items())[:5] for text in heading),
        "2026-10-31T12:00",
        *list(MADE.items())[5],
    ]
    assert listed(client.get(f"{URL}?sort=oldest"))[:2] == list(list(MADE.items())[5])


@pytest.mark.django_db
def test_a_list_that_is_not_in_the_order_of_dates_has_no_headings(client, library):
    library(*MADE.values())
    page = client.get(f"{URL}?sort=largest")
    assert sorted(listed(page)) == sorted(MADE.values())
    assert '<h2 class="card__title">' in page.content.decode()


@pytest.mark.django_db
def test_headings_are_in_the_readers_language(client, library):
    library(*MADE.values())
    client.cookies["django_language"] = "pl"
    assert listed(client.get(URL))[::2] == [
        "Dzisiaj", "Ten tydzień", "Zeszły tydzień", "Listopad", "Październik", "Grudzień 2025"
    ]  # fmt: skip


def test_a_week_begins_on_monday():
    monday, sunday = date(2026, 11, 23), date(2026, 11, 29)
    assert [dates.group_of(monday, today).key for today in (monday, sunday, sunday + timedelta(1))] == [
        "today", "week", "last-week"
    ]  # fmt: skip


# --- The filter -------------------------------------------------------------------------------------------------------


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("since=2026-11-23", ["Today", "This week"]),
        ("until=2026-10-31", ["October", "December 2025"]),
        ("since=2026-11-22&until=2026-11-22", ["Last week"]),
        ("since=2026-10-31&until=2026-11-15&sort=oldest", ["October", "November"]),
        ("since=2026-11-01&until=2026-11-30&q=nothing", []),
        ("since=2027-01-01", []),
    ],
)
def test_days_narrow_the_library(client, library, query, expected):
    library(*MADE.values())
    assert [text for text in listed(client.get(f"{URL}?{query}")) if text not in MADE] == [
        MADE[one] for one in expected
    ]


@pytest.mark.django_db
@pytest.mark.parametrize("day", ["yesterday", "2026-13-40", "0001-01-01", "9999-12-31", "26.11.2026", "%00"])
def test_a_day_that_is_none_is_ignored_and_reported(client, library, day):
    library(*MADE.values())
    for name in ("since", "until"):
        page = client.get(f"{URL}?{name}={day}")
        assert len(listed(page)) == 2 * len(MADE)
        assert "errorlist" in page.content.decode()


@pytest.mark.django_db
def test_each_end_of_the_days_can_be_removed(client, library):
    library(*MADE.values())
    page = client.get(f"{URL}?since=2026-11-02&until=2026-11-03").content.decode()
    chips = re.findall(r'class="chip" href="([^"]+)">(.*?)</a>', page)
    assert [html.unescape(address) for address, _text in chips] == [
        f"{URL}?until=2026-11-03", f"{URL}?since=2026-11-02"
    ]  # fmt: skip
    assert "Since: 2 November 2026" in chips[0][1]


# --- The list of periods ----------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_periods_with_videos_are_offered_and_find_them(client, library):
    library(*MADE.values(), "2023-03-03T03:03")
    found = periods(client.get(f"{URL}?sort=oldest"))
    assert list(found) == ["Today", "This week", "Last week", "November", "October", "December 2025", "2023"]
    assert found["Last week"] == "?since=2026-11-16&until=2026-11-22&sort=oldest"
    page = client.get(URL + found["Last week"])
    assert listed(page) == ["Last week", MADE["Last week"]]
    assert re.search(r'aria-current="true">Last week<', page.content.decode())
    assert periods(page)["Any time"] == "?sort=oldest"


@pytest.mark.django_db
def test_the_months_of_an_older_year_appear_when_it_is_chosen(client, library):
    library("2023-03-03T03:03", "2023-01-31T12:00", "2025-11-30T12:00", "2025-12-01T12:00")
    years = periods(client.get(URL))
    assert list(years) == ["December 2025", "2025", "2023"]
    months = periods(client.get(URL + years["2023"]))
    assert list(months) == ["December 2025", "2025", "2023", "March 2023", "January 2023", "Any time"]
    assert listed(client.get(URL + months["March 2023"])) == ["March 2023", "2023-03-03T03:03"]
    assert listed(client.get(URL + years["2025"]))[::2] == ["December 2025", "November 2025"]


@pytest.mark.django_db
def test_an_empty_library_offers_no_dates(client, library):
    assert periods(client.get(URL)) == {}


@pytest.mark.django_db
def test_scrolling_asks_for_no_periods(client, library, django_assert_num_queries):
    library(*MADE.values())
    page = client.get(URL, headers={**HTMX, "HX-Target": "cards"})
    assert listed(page)[0] == "Today"
    assert periods(page) == {}


@pytest.mark.parametrize("today", [date(2026, 1, 1), date(2026, 12, 31), date(2028, 2, 29), date(2027, 3, 1)])
def test_periods_cover_every_day_whatever_the_day(today):
    offered = dates.offered(today, date(2024, 6, 1))
    assert len({period.key for period in offered}) == len(offered) <= 3 + 12 + 12 + today.year - dates.FIRST_DAY.year
    days = (dates.FIRST_DAY + timedelta(number) for number in range((today - dates.FIRST_DAY).days + 1))
    assert all(any(period.first <= day <= period.last for period in offered[3:]) for day in days)


def test_in_december_the_months_of_this_year_are_listed_already():
    december = date(2026, 12, 5)
    assert dates.offered(december, december) == dates.offered(december)
    assert "2025-11" in {period.key for period in dates.offered(december, date(2025, 11, 5))}


# --- The time zone ----------------------------------------------------------------------------------------------------


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("zone", "expected"),
    [
        ("Pacific/Auckland", ["Today", "This week"]),  # where it was the 26th already
        ("America/New_York", ["This week", "Last week"]),
        (None, ["This week", "This week"]),
        ("../../etc/passwd", ["This week", "This week"]),
        ("Mars/Olympus", ["This week", "This week"]),
        ("x" * 4000, ["This week", "This week"]),
    ],
)
def test_days_are_those_of_the_readers_time_zone(client, library, zone, expected):
    library("2026-11-25T11:30", "2026-11-23T02:00")
    if zone:
        client.cookies[ZONE_COOKIE] = zone
    page = client.get(URL)
    assert [text for text in listed(page) if not text.startswith("2026")] == list(dict.fromkeys(expected))
    for heading, title in zip(expected, ("2026-11-25T11:30", "2026-11-23T02:00"), strict=True):
        if heading != "This week" or expected.count(heading) == 1:
            assert title in listed(client.get(URL + periods(page)[heading]))


@pytest.mark.django_db
def test_a_time_zone_ends_with_its_request(client, library):
    client.cookies[ZONE_COOKIE] = "Asia/Tokyo"
    client.get(URL)
    assert timezone.get_current_timezone_name() == "UTC"


@pytest.mark.parametrize("zone", ["America/Sao_Paulo", "Africa/Cairo", "Pacific/Apia"])
def test_a_day_begins_where_midnight_did_not_exist(zone):
    with timezone.override(zone):
        moments = [dates.start_of(date(2024, 1, 1) + timedelta(number)) for number in range(400)]
    assert all(timedelta(hours=23) <= two - one <= timedelta(hours=25) for one, two in pairwise(moments))


# --- Searching within days --------------------------------------------------------------------------------------------


@pytest.fixture
def indexed(library, user):
    """Create videos that a search finds, oldest first, as they are created in reality."""
    library(*sorted(MADE.values()))
    for video in library_of(user).order_by("created_at"):
        video.docs.all().delete()
        SearchDoc.objects.index([video])


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("since=2026-11-16&until=2026-11-22", ["Last week"]),
        ("since=2026-11-16", ["Today", "This week", "Last week"]),
        ("until=2026-11-22&sort=oldest", ["December 2025", "October", "November", "Last week"]),
        ("until=2026-10-31&sort=largest", ["October", "December 2025"]),
        ("since=2027-01-01", []),
        ("until=2020-01-01", []),
    ],
)
def test_a_search_within_days_finds_what_is_there(client, indexed, monkeypatch, query, expected):
    monkeypatch.setattr(search, "_LATE", 0)
    found = [text for text in listed(client.get(f"{URL}?q=heart&{query}")) if text not in MADE]
    assert sorted(found) == sorted(MADE[one] for one in expected)
    assert "sort=largest" in query or found == [MADE[one] for one in expected]


@pytest.mark.django_db
def test_a_search_within_days_goes_on_page_by_page(client, user, library):
    library(*(f"2026-11-{day:02}T{hour:02}:00" for day in (2, 3, 4) for hour in range(20)))
    seen, address = [], f"{URL}?q=heart&since=2026-11-03&until=2026-11-04"
    while address:
        page = client.get(address)
        seen += [text for text in listed(page) if text.startswith("2026")]
        address = re.search(r'id="older" rel="next" href="([^"]+)"', page.content.decode())
        address = address and html.unescape(address[1])
    assert len(seen) == len(set(seen)) == 40
    assert {title[:10] for title in seen} == {"2026-11-03", "2026-11-04"}


@pytest.mark.django_db
@pytest.mark.skipif(connection.vendor != "sqlite", reason="PostgreSQL's plans follow what it has counted")
def test_a_search_within_days_reads_no_rows_of_other_times(user):
    form = LibraryForm(QueryDict("q=heart&since=2026-11-01&until=2026-11-30"))
    rows = search._Matches(library_of(user).filter(**form.filters), ["heart"], user, form.span)
    plan = Video.objects.filter(pk__in=rows.of(25, descending=True)).explain()
    assert re.search(r"VIRTUAL TABLE INDEX \d+:[^\n]*[<>][^\n]*[<>]", plan), plan
    assert plan.count("USING INDEX library (user_id=? AND created_at") == 2


# --- The cost ---------------------------------------------------------------------------------------------------------


@pytest.mark.django_db
@pytest.mark.skipif(connection.vendor != "sqlite", reason="PostgreSQL's plans follow what it has counted")
@pytest.mark.parametrize(
    ("query", "index"),
    [
        ("since=2026-11-01&until=2026-11-30", "library"),
        ("until=2026-11-30&sort=oldest", "library"),
        ("since=2026-11-01&favourites=on", "library_favourite"),
        ("until=2026-11-01&model=tiny", "library_model"),
    ],
)
def test_days_are_read_from_an_index(user, query, index):
    form = LibraryForm(QueryDict(query))
    order = Order.of(Video, form.order)
    plan = library_of(user).filter(**form.filters).order_by(*order.names())[:25].explain()
    assert f"USING INDEX {index} (" in plan
    assert re.search(r"created_at[<>]\?", plan)
    assert "TEMP B-TREE" not in plan


@pytest.mark.django_db
@pytest.mark.skipif(connection.vendor != "sqlite", reason="PostgreSQL's plans follow what it has counted")
def test_periods_are_looked_up_in_the_index(user, django_assert_num_queries):
    with django_assert_num_queries(1) as caught:
        assert with_videos(Page([], "", ""), user, dates.offered(TODAY)) == []
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN QUERY PLAN {caught.captured_queries[0]['sql']}")
        plan = " ".join(str(row) for row in cursor.fetchall())
    assert "SEARCH made USING INDEX library (user_id=? AND created_at>? AND created_at<?)" in plan
    assert "SCAN made" not in plan
