"""Walking from clip to clip through the library, as it is filtered and sorted."""

import itertools
import re
from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from gallery.models import GIVEN_UP, SearchDoc, Video
from tests.factories import VideoFactory, a_request

pytestmark = pytest.mark.django_db

LISTS = {
    "": "EDCBA",
    "sort=oldest": "ABCDE",
    "sort=largest": "CBEAD",
    "favourites=on": "DB",
    "q=sea": "ECA",
    "q=sea&sort=oldest": "ACE",
    "q=sea&sort=largest": "CEA",
    "since=2000-01-01&sort=random": "EDCBA",
}


@pytest.fixture
def videos(client, user, other_user):
    """Create five videos of the user, A to E from the oldest on, with others' and deleted ones in between."""
    client.force_login(user)
    made = {}
    for age, title in zip(range(10, 0, -2), "ABCDE", strict=True):
        for owner, changes in ((user, {}), (other_user, {}), (user, {"deleted_at": timezone.now()})):
            prompt = "the sea" if title in "ACE" else "a meadow"
            sizes = {"C": 50, "B": 40, "E": 30, "A": 20, "D": 10}
            video = VideoFactory(
                user=owner, title=title, request=a_request(prompt=prompt, seed=1), size=sizes[title], **changes
            )
            Video.objects.filter(pk=video.pk).update(
                created_at=timezone.now() - timedelta(minutes=age), favourite=title in "BD"
            )
            video.docs.all().delete()
            SearchDoc.objects.index([video])
            if owner == user and not changes:
                made[title] = video
    return made


def go(client, name: str, video: Video, query: str) -> tuple[str, str]:
    """Return the title of the video that the link leads to, and what is said there."""
    address = reverse(f"gallery:{name}", args=[video.pk]) + f"?{query}"
    page = client.get(address, follow=True)
    assert page.status_code == 200
    return page.context["video"].title, page.content.decode()


@pytest.mark.parametrize(("query", "titles"), LISTS.items())
def test_next_and_previous_walk_the_list_to_its_ends(client, videos, query, titles):
    for one, two in itertools.pairwise(titles):
        assert go(client, "next", videos[one], query)[0] == two
        assert go(client, "previous", videos[two], query)[0] == one
    last, said = go(client, "next", videos[titles[-1]], query)
    assert (last, "This is the last clip of the list." in said) == (titles[-1], True)
    first, said = go(client, "previous", videos[titles[0]], query)
    assert (first, "This is the first clip of the list." in said) == (titles[0], True)


@pytest.mark.parametrize(
    ("query", "title", "changes", "previous", "then"),
    [
        ("favourites=on", "D", {"favourite": False}, None, "B"),
        ("favourites=on", "B", {"favourite": False}, "D", None),
        ("favourites=on&sort=oldest", "B", {"favourite": False}, None, "D"),
        ("favourites=on&sort=largest", "B", {"favourite": False}, None, "D"),
        ("favourites=on&q=meadow", "D", {"favourite": False}, None, "B"),
        ("q=sea", "E", {"title": "E", "prompt": "a wood"}, None, "C"),
        ("q=sea", "C", {"title": "C", "prompt": "a wood"}, "E", "A"),
        ("format=mp4", "E", {"format": "gif"}, None, "D"),
    ],
)
def test_a_clip_that_left_the_list_keeps_its_place_there(client, videos, query, title, changes, previous, then):
    Video.objects.filter(pk=videos[title].pk).update(**changes)
    videos[title].refresh_from_db()
    SearchDoc.objects.index([videos[title]])
    for name, neighbour in (("previous", previous), ("next", then)):
        shown, said = go(client, name, videos[title], query)
        is_at_the_end = "clip of the list." in said
        assert (shown, is_at_the_end) == (neighbour or title, neighbour is None), name


def test_the_list_is_remembered_from_the_library_to_the_page_and_back(client, videos):
    page = client.get("/videos/?q=sea&sort=oldest").content.decode()
    address = reverse("gallery:video", args=[videos["A"].pk])
    assert f'href="{address}?q=sea&amp;sort=oldest"' in page
    page = client.get(f"{address}?q=sea&sort=oldest").content.decode()
    links = dict(re.findall(r'href="([^"]+)" data-key="(ArrowLeft|ArrowRight|Escape)"', page))
    assert set(links) == {
        f"{address}previous/?q=sea&amp;sort=oldest",
        f"{address}next/?q=sea&amp;sort=oldest",
        f"/videos/?q=sea&amp;sort=oldest#v-{videos['A'].pk}",
    }


def test_what_is_no_filter_is_not_repeated(client, videos):
    address = reverse("gallery:video", args=[videos["A"].pk])
    page = client.get(f"{address}?q=%22%3E%3Cscript&format=exe&next=//evil.example").content.decode()
    links = re.findall(r'(?:href|action)="([^"]*(?:/next/|/previous/|/delete/|/videos/\?)[^"]*)"', page)
    assert {link.partition("?")[2].partition("#")[0] for link in links} == {"q=%22%3E%3Cscript"}
    assert len(links) == 4
    assert "<script&" not in page


@pytest.mark.parametrize(("query", "title", "then"), [("", "D", "C"), ("sort=oldest", "E", "D"), ("q=sea", "E", "C")])
def test_deleting_while_walking_shows_the_neighbour_with_a_way_to_undo(client, videos, query, title, then):
    address = reverse("gallery:delete", args=[videos[title].pk])
    page = client.post(f"{address}?{query}", {"then": "next"}, follow=True)
    assert page.context["video"].title == then
    assert 'data-key="u"' in page.content.decode()


def test_deleting_the_only_clip_of_a_list_leads_back_to_the_list(client, videos):
    Video.objects.filter(title="B").update(favourite=False)
    address = reverse("gallery:delete", args=[videos["D"].pk])
    page = client.post(f"{address}?favourites=on", {"then": "next", "next": "/videos/?favourites=on"})
    assert page["Location"] == "/videos/?favourites=on"


def test_deleting_the_last_clip_that_left_a_list_shows_the_one_before_it(client, videos):
    Video.objects.filter(title="B").update(favourite=False)
    address = reverse("gallery:delete", args=[videos["B"].pk])
    page = client.post(f"{address}?favourites=on", {"then": "next"}, follow=True)
    assert page.context["video"].title == "D"


def test_deleting_twice_before_the_next_page_is_there_is_deleting_once(client, videos):
    address = reverse("gallery:delete", args=[videos["D"].pk])
    client.post(address, {"then": "next"})
    page = client.post(address, {"then": "next"}, follow=True)
    assert page.context["video"].title == "C"
    assert 'data-key="u"' in page.content.decode()
    assert sorted(Video.objects.kept().filter(user=videos["D"].user).values_list("title", flat=True)) == list("ABCE")
    stamp = re.findall(r'name="at" value="(\d+)"', page.content.decode())[-1]
    client.post("/videos/undo/", {"at": stamp})
    assert Video.objects.kept().filter(pk=videos["D"].pk).exists()


def test_what_is_deleted_forever_cannot_be_deleted_again(client, videos):
    Video.objects.filter(pk=videos["D"].pk).update(deleted_at=GIVEN_UP)
    assert client.post(reverse("gallery:delete", args=[videos["D"].pk])).status_code == 404
