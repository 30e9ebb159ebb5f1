"""Explore and profiles: public videos and nothing else, in order, page by page, in few queries."""

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from gallery.models import Safety, Video
from gallery.models.search import SearchDoc
from gallery.moderation import services as moderation
from gallery.search import query as search
from gallery.sharing import selectors, services
from tests.factories import UserFactory, VideoFactory, a_request

pytestmark = pytest.mark.django_db

EXPLORE = reverse("gallery:explore")
NOW = timezone.now()


@pytest.fixture
def a_small_page(monkeypatch):
    monkeypatch.setattr(selectors, "PAGE_SIZE", 2)


def publish(title: str, *, minutes: int = 0, tags=(), **changes) -> Video:
    changes = {"published_at": NOW - timedelta(minutes=minutes), **changes}
    video = VideoFactory(title=title, public=True, request=a_request(prompt=f"{title}, painted", seed=1), **changes)
    services.set_tags(video, tags)
    SearchDoc.objects.all().delete()
    SearchDoc.objects.index(Video.objects.order_by("published_at"))  # in order of publication, as happens in real life
    return video


def titles(response) -> list[str]:
    assert response.status_code == 200
    return [card.video.title for card in response.context["cards"]]


def address_of(response, rel: str) -> str:
    """Return the URL of the previous or next page."""
    page = response.context["page"]
    return f"?{response.context['kept']}{page.older if rel == 'next' else page.newer}"


def test_the_newest_come_first_for_visitors_too(client):
    for n, title in enumerate(["new", "older", "oldest"]):
        publish(title, minutes=n)
    assert titles(client.get(EXPLORE)) == ["new", "older", "oldest"]


def test_the_most_liked_come_first_when_asked_for(client):
    publish("few", likes=1)
    publish("many", likes=9, minutes=5)
    assert titles(client.get(EXPLORE, {"sort": "liked"})) == ["many", "few"]


def test_the_picks_are_those_of_the_staff_alone_the_last_picked_first(client, other_user):
    first, second = publish("first", minutes=1), publish("second", minutes=2)
    publish("not picked")
    moderation.pick(other_user, first)
    moderation.pick(other_user, second)
    assert titles(client.get(EXPLORE, {"sort": "picks"})) == ["second", "first"]
    moderation.unpick(other_user, second)
    assert titles(client.get(EXPLORE, {"sort": "picks"})) == ["first"]


@pytest.mark.parametrize("sort", ["newest", "liked", "picks"])
@pytest.mark.parametrize(
    ("query", "found"),
    [({}, "abcd"), ({"tag": "sea"}, "abd"), ({"q": "boat"}, "abc"), ({"q": "boat", "tag": "sea"}, "abc")],
)
def test_each_order_goes_with_a_tag_or_a_search_which_goes_before_a_tag(client, sort, query, found):
    publish("boat a", minutes=3, tags=["sea"], likes=2, picked_at=NOW)
    publish("boat b", minutes=2, tags=["sea", "night"], likes=3, picked_at=NOW - timedelta(hours=1))
    publish("boat c", minutes=1, likes=1, picked_at=NOW - timedelta(hours=2))
    publish("d", tags=["sea"], likes=4, picked_at=NOW - timedelta(hours=3))
    order = {"newest": "dcba", "liked": "dbac", "picks": "abcd"}[sort]
    if "q" in query and sort == "picks":
        order = "dcba"  # searches cover all public videos
    titles_found = titles(client.get(EXPLORE, {"sort": sort, **query}))
    assert [title[-1] for title in titles_found] == [name for name in order if name in found]


@pytest.mark.parametrize("query", [{"tag": "sea"}, {"q": "boat"}])
def test_only_the_newest_matches_are_sorted(client, monkeypatch, query):
    for module in (selectors, search):
        monkeypatch.setattr(module, "SORTED_MOST", 2)
    for n, title in enumerate(["boat new", "boat newer", "boat newest"]):
        publish(title, minutes=-n, tags=["sea"], likes=9 - n)
    assert titles(client.get(EXPLORE, {"sort": "liked", **query})) == ["boat newer", "boat newest"]
    assert len(titles(client.get(EXPLORE, query))) == 3


@pytest.mark.parametrize(
    "query",
    [
        {},
        {"sort": "liked"},
        {"sort": "picks"},
        {"tag": "sea"},
        {"tag": "sea", "sort": "liked"},
        {"q": "wave"},
        {"q": "wave", "sort": "liked"},
    ],
)
def test_every_page_follows_the_one_before_and_leads_back(client, a_small_page, query):
    made = {publish(f"wave {n}", minutes=n // 2, tags=["sea"], likes=n // 2, picked_at=NOW).title for n in range(5)}
    first = client.get(EXPLORE, query)
    second = client.get(EXPLORE + address_of(first, "next"))
    third = client.get(EXPLORE + address_of(second, "next"))
    seen = [*titles(first), *titles(second), *titles(third)]
    assert len(seen) == 5
    assert set(seen) == made
    assert not third.context["page"].older
    assert titles(client.get(EXPLORE + address_of(third, "prev"))) == titles(second)


def test_scrolling_gets_the_cards_alone_and_where_to_go_on(client, a_small_page):
    for n in range(5):
        publish(f"wave {n}", minutes=n)
    older = address_of(client.get(EXPLORE, {"q": "wave"}), "next")
    part = client.get(EXPLORE + older, headers={"HX-Request": "true", "HX-Target": "cards"})
    html = part.content.decode()
    assert "<html" not in html
    assert html.count("<article") == html.count("<li ") == 2
    assert 'id="older" hx-swap-oob="true"' in html
    assert "2 more clips" in html  # for screen readers
    assert "That is everything." not in html
    assert f'hx-get="{EXPLORE}?q=wave&before=' in html.replace("&amp;", "&")
    assert "HX-Request" in part["Vary"]
    last = client.get(EXPLORE + address_of(part, "next"), headers={"HX-Request": "true", "HX-Target": "cards"})
    assert "hx-get=" not in last.content.decode()
    assert "1 more clip. That is everything." in last.content.decode()


@pytest.mark.parametrize(
    "query",
    [
        "sort=nothing",
        "tag=%3Cscript%3E",
        "tag=" + "x" * 5000,
        "q=%00",
        "q=" + "y" * 5000,
        "before=x&sort=liked",
        "before=99999999999999999-" + "0" * 32,
        "after=" + "9" * 400,
        "sort=liked&before=999999999999999999-" + "0" * 32,
    ],
)
def test_nonsensical_parameters_are_no_error(client, query):
    publish("one")
    assert client.get(f"{EXPLORE}?{query}").status_code == 200


def test_the_search_is_for_every_word_in_prompt_or_title(client):
    publish("Boat at night", minutes=1)
    publish("A boat")
    assert titles(client.get(EXPLORE, {"q": " BOAT   night "})) == ["Boat at night"]
    assert titles(client.get(EXPLORE, {"q": "boat painted"})) == ["A boat", "Boat at night"]


HIDDEN = {
    "private": {"visibility": "private"},
    "unlisted": {"visibility": "unlisted", "share_token": "t" * 43},
    "in the trash": {"deleted_at": NOW},
    "hidden by moderation": {"hidden_at": NOW},
    "refused": {"safety": Safety.REFUSED},
}


@pytest.mark.parametrize("changes", HIDDEN.values(), ids=HIDDEN)
@pytest.mark.parametrize("query", [{}, {"sort": "liked"}, {"sort": "picks"}, {"tag": "sea"}, {"q": "secret"}])
def test_nothing_else_is_there(client, changes, query):
    video = publish("secret", tags=["sea"], picked_at=NOW)
    assert titles(client.get(EXPLORE, query)) == ["secret"]
    Video.objects.filter(pk=video.pk).update(**changes)
    assert titles(client.get(EXPLORE, query)) == []
    assert client.get(reverse("gallery:profile", args=[video.user.username])).status_code == 404


@pytest.mark.parametrize("query", [{}, {"sort": "liked"}, {"sort": "picks"}, {"tag": "sea"}, {"q": "secret"}])
def test_nothing_of_somebody_who_is_not_there(client, query):
    video = publish("secret", tags=["sea"], picked_at=NOW)
    video.user.is_active = False
    video.user.save()
    assert titles(client.get(EXPLORE, query)) == []
    assert client.get(reverse("gallery:profile", args=[video.user.username])).status_code == 404


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ({}, "Nothing is public yet"),
        ({"q": "dragon"}, "Nothing here contains “dragon”"),
        ({"tag": "dragon"}, "No public clip has this tag"),
        ({"sort": "picks"}, "No picks yet"),
    ],
)
def test_an_empty_page_says_why_and_what_to_do(client, query, says):
    page = client.get(EXPLORE, query).content.decode()
    assert says in page
    assert 'class="empty"' in page


def test_the_viewers_likes_are_marked(client, user):
    liked, other = publish("liked"), publish("other", minutes=1)
    services.like(user, liked)
    services.like(other.user, other)
    client.force_login(user)
    cards = client.get(EXPLORE).context["cards"]
    assert [(card.video.title, card.is_liked) for card in cards] == [("liked", True), ("other", False)]


@pytest.mark.parametrize(
    "query", ["", "?sort=liked", "?sort=picks", "?tag=sea", "?q=wave", "?tag=sea&sort=liked", "?q=wave&sort=liked"]
)
def test_a_page_takes_six_queries_at_most(client, user, busy, django_assert_max_num_queries, query):
    for n in range(selectors.PAGE_SIZE + 3):
        services.like(user, publish(f"wave {n}", minutes=n, tags=["sea"], picked_at=NOW))
    client.force_login(user)
    first = client.get(EXPLORE + query)
    second = EXPLORE + address_of(first, "next")
    for address in (EXPLORE + query, second):
        with django_assert_max_num_queries(6):
            assert titles(client.get(address))


# --- Profiles ---------------------------------------------------------------------------------------------------------


def profile(person) -> str:
    return reverse("gallery:profile", args=[person.username])


def test_a_profile_has_the_name_and_what_is_public_newest_first(client):
    person = UserFactory(username="Ida.K", full_name="Ida Kos")
    publish("old", user=person, minutes=9)
    publish("new", user=person)
    publish("of another")
    VideoFactory(user=person, title="private")
    response = client.get(profile(person))
    assert titles(response) == ["new", "old"]
    assert "<h1>Ida Kos</h1>" in response.content.decode()
    assert titles(client.get("/u/ida.k/")) == ["new", "old"]


@pytest.mark.parametrize("name", ["Łukasz", "ŻÓŁĆ", "Жанна"])
def test_a_profile_is_found_by_a_name_with_letters_of_every_alphabet(client, name):
    publish("shown", user=UserFactory(username=name))
    assert titles(client.get(f"/u/{name}/")) == ["shown"]


def test_without_public_videos_only_the_user_sees_their_profile(client, user, other_user):
    assert client.get(profile(user)).status_code == 404
    client.force_login(other_user)
    assert client.get(profile(user)).status_code == 404
    client.force_login(user)
    response = client.get(profile(user))
    assert response.status_code == 200
    assert "You have not published anything yet" in response.content.decode()


@pytest.mark.parametrize("name", ["nobody", "x" * 151, "a%00b", "a%2Fb", "@"])
def test_an_unknown_username_answers_404(client, db, name):
    assert client.get(f"/u/{name}/").status_code == 404


def test_a_profile_takes_six_queries_at_most(client, user, busy, other_user, django_assert_max_num_queries):
    for n in range(selectors.PAGE_SIZE + 3):
        services.like(user, publish(f"wave {n}", minutes=n, user=other_user))
    client.force_login(user)
    second = profile(other_user) + address_of(client.get(profile(other_user)), "next")
    for address in (profile(other_user), second, profile(user)):
        with django_assert_max_num_queries(6):
            assert client.get(address).status_code == 200
