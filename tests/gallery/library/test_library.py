"""The library grid: its filters, order, pages and query costs."""

import re
from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import connection
from django.http import QueryDict
from django.urls import reverse
from django.utils import timezone

from auravideo.core.keyset import Order
from gallery.access import library_of, trash_of
from gallery.library.forms import LibraryForm
from gallery.library.views import VIDEOS_A_PAGE
from gallery.models import Video
from generation.domain.states import Status
from tests.factories import JobFactory, VideoFactory, a_request

pytestmark = pytest.mark.django_db

URL = "/videos/"
HTMX = {"HX-Request": "true"}


def titles(response) -> list[str]:
    return re.findall(r'card__title"><a href="[^"]+">([^<]+)</a>', response.content.decode())


def a_video(user, title: str, age: int = 0, **values) -> Video:
    changes = {name: values.pop(name) for name in ("prompt", "format", "seed") if name in values}
    video = VideoFactory(user=user, title=title, request=a_request(**{"seed": 1, **changes}), **values)
    Video.objects.filter(pk=video.pk).update(created_at=timezone.now() - timedelta(minutes=age))
    return video


@pytest.fixture
def videos(client, user, other_user):
    """Create four videos of the user, plus a deleted one and another user's, which must never be found."""
    client.force_login(user)
    a_video(other_user, "Theirs")
    a_video(user, "Deleted", deleted_at=timezone.now())
    a_video(user, "Heart", 40, prompt="a red heart over the sea", size=10, favourite=True)
    a_video(user, "Star", 30, prompt="a blue star at night", size=40, width=512, height=512, format="webm")
    a_video(user, "Cross", 20, prompt="a green cross on black", size=30, width=1024, height=1024)
    public = {"visibility": "public", "published_at": timezone.now()}
    a_video(user, "Moon", 10, prompt="a moon over the sea", size=20, format="gif", favourite=True, **public)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", ["Moon", "Cross", "Star", "Heart"]),
        ("q=sea", ["Moon", "Heart"]),
        ("q=SEA+red", ["Heart"]),
        ("q=cross", ["Cross"]),
        ("format=webm", ["Star"]),
        ("size=medium", ["Star"]),
        ("size=large", ["Cross"]),
        ("visibility=public", ["Moon"]),
        ("visibility=private", ["Cross", "Star", "Heart"]),
        ("favourites=on", ["Moon", "Heart"]),
        ("favourites=on&format=mp4", ["Heart"]),
        ("favourites=on&q=sea&sort=oldest", ["Heart", "Moon"]),
        ("model=tiny", ["Moon", "Cross", "Star", "Heart"]),
        ("model=epicrealism", []),
        ("sort=oldest", ["Heart", "Star", "Cross", "Moon"]),
        ("sort=largest", ["Star", "Cross", "Moon", "Heart"]),
    ],
)
def test_filters_and_sorting_find_the_right_videos(client, videos, query, expected):
    assert titles(client.get(f"{URL}?{query}")) == expected


@pytest.mark.parametrize(
    "query",
    [
        "model=no-such-model",
        "format=exe",
        "size=huge",
        "visibility=everybody",
        "sort=random",
        "q=" + "x" * 5000,
        "q=%00",
        "before=nonsense&after=1-2",
        "before=" + "9" * 40 + "-" + "0" * 32,
        "favourites=%F0%9F%92%A9&q=%F0%9F%92%A9",
    ],
)
def test_no_query_is_an_error(client, videos, query):
    assert client.get(f"{URL}?{query}").status_code == 200
    assert client.get(f"{URL}?{query}", headers={**HTMX, "HX-Target": "found"}).status_code == 200


def test_invalid_choices_are_ignored_and_reported(client, videos):
    page = client.get(f"{URL}?format=exe")
    assert len(titles(page)) == 4
    assert "errorlist" in page.content.decode()


def test_filters_can_be_removed_one_by_one(client, videos):
    html = client.get(f"{URL}?q=unicorn&format=gif&favourites=on").content.decode()
    assert "No clips match" in html
    links = re.findall(r'class="chip" href="([^"]+)"', html)
    assert [link.replace("&amp;", "&") for link in links] == [
        "/videos/?format=gif&favourites=on",
        "/videos/?q=unicorn&favourites=on",
        "/videos/?q=unicorn&format=gif",
    ]


def test_an_empty_library_leads_to_creating(client, user):
    client.force_login(user)
    html = client.get(URL).content.decode()
    assert "No clips yet" in html
    assert reverse("generation:create") in html
    assert "No clips match" in client.get(f"{URL}?q=x").content.decode()


@pytest.mark.parametrize("sort", ["newest", "oldest", "largest"])
def test_older_leads_through_everything_once_with_the_same_filters(client, user, sort):
    client.force_login(user)
    count = 2 * VIDEOS_A_PAGE + 5
    for n in range(count):
        a_video(user, f"sea {n}", n, size=n // 2)
    VideoFactory(user=user, title="another", request=a_request(prompt="a moon"))
    seen, address = [], f"{URL}?q=sea&sort={sort}"
    for _ in range(3):
        html = client.get(address).content.decode()
        seen += titles(client.get(address))
        match = re.search(r'id="older" rel="next" href="([^"]+)"', html)
        address = match and match[1].replace("&amp;", "&")
    assert address is None
    assert len(seen) == len(set(seen)) == count


def test_scrolling_gets_the_cards_alone_and_the_way_on(client, user):
    client.force_login(user)
    for n in range(VIDEOS_A_PAGE + 2):
        a_video(user, f"Video {n}", n)
    older = re.search(r'hx-get="([^"]+)" hx-target="#cards"', client.get(URL).content.decode())[1]
    response = client.get(older, headers={**HTMX, "HX-Target": "cards"})
    html = response.content.decode()
    assert titles(response) == [f"Video {VIDEOS_A_PAGE}", f"Video {VIDEOS_A_PAGE + 1}"]
    assert "<html" not in html
    assert 'id="paging"' in html
    assert 'id="older"' not in html
    assert "2 more clips. That is everything." in " ".join(html.split())


def test_filtering_with_htmx_gets_the_grid_and_an_address_that_can_be_kept(client, videos):
    response = client.get(f"{URL}?q=sea&model=&format=&sort=newest", headers={**HTMX, "HX-Target": "found"})
    assert titles(response) == ["Moon", "Heart"]
    assert response["HX-Push-Url"] == "/videos/?q=sea"
    assert "<html" not in response.content.decode()
    assert "HX-Target" in response["Vary"]
    all_of_them = client.get(f"{URL}?q=&sort=newest", headers={**HTMX, "HX-Target": "found"})
    assert all_of_them["HX-Push-Url"] == "/videos/"


def _news(user) -> set:
    return {job.pk for job in user.jobs.all() if job.is_new}


def test_what_the_library_has_shown_is_no_longer_new(client, user, other_user):
    client.force_login(user)
    for owner in (user, other_user):
        ended = {"status": Status.DONE, "ended_at": timezone.now()}
        a_video(owner, "Shown", job=JobFactory(user=owner, **ended))
        JobFactory(user=owner, **{**ended, "status": Status.FAILED})  # the library shows no failures
    older = a_video(user, "Next page", 10, job=JobFactory(user=user, **ended))
    for n in range(VIDEOS_A_PAGE - 1):
        a_video(user, f"Sea {n}", n + 1 - VIDEOS_A_PAGE)
    client.get(URL)
    assert _news(user) == {older.job_id} | {job.pk for job in user.jobs.filter(status=Status.FAILED)}
    assert len(_news(other_user)) == 2


@pytest.mark.parametrize("query", ["", "q=sea&favourites=on&format=gif&sort=largest", "q=unicorn"])
def test_a_page_takes_at_most_eight_queries(client, user, busy, videos, django_assert_max_num_queries, query):
    JobFactory(user=user, status=Status.DONE, ended_at=timezone.now())
    for n in range(VIDEOS_A_PAGE * 2):
        a_video(user, f"Sea {n}", n + 100)
    with django_assert_max_num_queries(8):
        page = client.get(f"{URL}?{query}")
    if older := re.search(r'id="older" rel="next" href="([^"]+)"', page.content.decode()):
        with django_assert_max_num_queries(8):
            client.get(older[1].replace("&amp;", "&"))


def test_a_page_loads_no_requests_and_no_prompts(client, user, django_assert_max_num_queries, monkeypatch):
    """They may be long, and cards don't show them."""
    client.force_login(user)
    a_video(user, "Heart", prompt="a heart that is described at length")
    assert "described at length" not in client.get(URL).content.decode()


def test_the_weight_of_a_page_does_not_grow_with_the_titles(client, user):
    client.force_login(user)
    for n in range(VIDEOS_A_PAGE):
        a_video(user, "ż" * 200, n)
    assert len(client.get(URL).content) < 120_000


@pytest.mark.skipif(connection.vendor != "sqlite", reason="PostgreSQL's plans follow what it has counted")
@pytest.mark.parametrize(
    ("query", "index"),
    [
        ("", "library"),
        ("sort=oldest", "library"),
        ("sort=largest", "library_largest"),
        ("model=tiny", "library_model"),
        ("format=mp4", "library_format"),
        ("size=small", "library_size_class"),
        ("visibility=private&sort=oldest", "library_visibility"),
        ("favourites=on", "library_favourite"),
    ],
)
def test_a_page_is_read_from_an_index(user, query, index):
    """Page 1000 of a hundred thousand videos costs as much as page 1."""
    form = LibraryForm(QueryDict(query))
    videos, order = library_of(user).filter(**form.filters), Order.of(Video, form.order)
    mark = order.read(f"5-{uuid4().hex}")
    for rows in (videos.order_by(*order.names()), order.behind(videos, mark)):
        plan = rows[:25].explain()
        assert f"USING INDEX {index} (" in plan
        assert "TEMP B-TREE" not in plan
    assert re.search(r"(created_at|size)[<>]\?", order.behind(videos, mark)[:25].explain())


@pytest.mark.skipif(connection.vendor != "sqlite", reason="PostgreSQL's plans follow what it has counted")
def test_the_trash_is_read_from_its_own_index(user):
    plan = trash_of(user).order_by("-deleted_at", "-pk")[:25].explain()
    assert "USING INDEX trash_of_person (user_id=? AND deleted_at>?)" in plan
    assert "TEMP B-TREE" not in plan


def test_an_empty_library_has_nothing_to_search_or_filter(client, user, other_user):
    client.force_login(user)
    a_video(other_user, "Theirs")
    assert 'id="finder"' not in client.get(URL).content.decode()
    assert 'id="finder"' in client.get(f"{URL}?q=unicorn").content.decode()
    a_video(user, "Heart")
    assert 'id="finder"' in client.get(URL).content.decode()
