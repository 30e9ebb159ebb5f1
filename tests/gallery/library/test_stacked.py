"""The library shows a stack as one tile, which opens it; and every clip on its own where single clips are meant."""

import re

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from gallery import stacks
from gallery.models import Video
from generation.domain.states import Status
from generation.models import Job
from tests.factories import JobFactory, VideoFactory, a_request

pytestmark = pytest.mark.django_db

URL = "/videos/"


@pytest.fixture
def owner(client, user):
    client.force_login(user)
    return user


def a_stack(user, size: int, prompt: str = "a red heart", **changes) -> list[Video]:
    requests = [a_request(prompt=prompt, seed=seed, **changes) for seed in range(size)]
    return [VideoFactory(user=user, stack_key="", request=request, title=prompt) for request in requests]


def tiles(response) -> list[str]:
    return re.findall(r'<li id="v-([0-9a-f-]+)"', response.content.decode())


def badges(response) -> list[tuple[str, str]]:
    return re.findall(r'stack=([0-9a-f-]+)"><span aria-hidden="true">×(\d+\+?)<', response.content.decode())


def test_a_stack_is_one_tile_with_the_number_of_its_clips(client, owner, other_user):
    a_stack(other_user, 3)
    alone = VideoFactory(user=owner)
    *_older, newest = a_stack(owner, 4)
    page = client.get(URL)
    assert tiles(page) == [str(newest.pk), str(alone.pk)]
    assert badges(page) == [(str(newest.pk), "4")]
    assert "4 clips of the same request: a red heart" in page.content.decode()
    assert tiles(client.get(f"{URL}?sort=oldest")) == [str(alone.pk), str(newest.pk)]


@pytest.mark.parametrize("query", ["unstacked=on", "q=heart", "format=mp4", "sort=largest", "q=red+heart&sort=oldest"])
def test_a_search_a_filter_or_a_choice_shows_every_clip(client, owner, query):
    a_stack(owner, 4)
    page = client.get(f"{URL}?{query}")
    assert len(tiles(page)) == 4
    assert badges(page) == []


def test_a_very_large_stack_is_not_counted_to_the_end(client, owner, monkeypatch):
    a_stack(owner, 5)
    monkeypatch.setattr(stacks, "COUNT_UP_TO", 3)
    assert badges(client.get(URL))[0][1] == "4"


def test_the_tile_opens_its_stack_the_newest_first(client, owner, other_user):
    clips = a_stack(owner, 3)
    VideoFactory(user=owner)
    page = client.get(f"/videos/compare/?stack={clips[0].pk}")
    assert re.findall(r'id="clip-([0-9a-f-]+)" aria', page.content.decode()) == [str(clip.pk) for clip in clips[::-1]]
    theirs = a_stack(other_user, 2)
    assert client.get(f"/videos/compare/?stack={theirs[0].pk}").status_code == 404


def test_a_tile_shows_the_news_of_its_whole_stack(client, owner, other_user):
    now = timezone.now()
    done = [JobFactory(user=owner, status=Status.DONE, ended_at=now) for _ in range(6)]
    for video, job in zip([*a_stack(owner, 3), *a_stack(owner, 2, "a blue star")], done, strict=False):
        Video.objects.filter(pk=video.pk).update(job=job)
    Video.objects.filter(job=done[4]).update(deleted_at=now)
    theirs = JobFactory(user=other_user, status=Status.DONE, ended_at=now)
    Video.objects.filter(pk=a_stack(other_user, 1)[0].pk).update(job=theirs)
    client.get(f"{URL}?unstacked=on&q=star")
    assert set(Job.objects.filter(seen_at=None)) == {*done[:3], done[4], done[5], theirs}
    client.get(URL)
    assert set(Job.objects.filter(seen_at=None)) == {done[4], done[5], theirs}


def test_the_tile_stays_when_its_front_is_deleted_and_counts_one_less(client, owner):
    clips = a_stack(owner, 3)
    client.post(f"/videos/{clips[2].pk}/delete/")
    assert badges(client.get(URL)) == [(str(clips[1].pk), "2")]
    client.post(f"/videos/{clips[1].pk}/delete/")
    page = client.get(URL)
    assert (tiles(page), badges(page)) == ([str(clips[0].pk)], [])


def test_pages_of_stacks_follow_each_other_without_gaps(client, owner):
    fronts = [a_stack(owner, 2, prompt=f"a heart {n}")[-1] for n in range(30)]
    first = client.get(URL)
    older = re.search(r'rel="next" href="([^"]+)"', first.content.decode())[1].replace("&amp;", "&")
    assert tiles(first) + tiles(client.get(older)) == [str(front.pk) for front in fronts[::-1]]


def test_stacks_cost_the_library_no_query_more(client, owner, busy):
    VideoFactory.create_batch(12, user=owner)
    counts = []
    for query in ("?unstacked=on", ""):
        client.get(f"{URL}{query}")
        with CaptureQueriesContext(connection) as caught:
            client.get(f"{URL}{query}")
        counts.append(len(caught))
        a_stack(owner, 5)
    assert counts[0] == counts[1]


def test_the_page_of_a_clip_leads_to_its_stack_and_between_draft_and_full(client, owner):
    draft = VideoFactory(user=owner, stack_key="", request=a_request(seed=7, quality="draft", width=128, height=128))
    alone = client.get(f"{URL}{draft.pk}/").content.decode()
    assert "relatives" not in alone
    full = VideoFactory(user=owner, stack_key="", request=a_request(seed=7, quality="standard"))
    page = client.get(f"{URL}{draft.pk}/").content.decode()
    assert f'href="/videos/compare/?stack={draft.pk}">Compare 2 clips of this request<' in page
    assert f'href="/videos/{full.pk}/">Its full version<' in page
    assert f'href="/videos/{draft.pk}/">Its draft<' in client.get(f"{URL}{full.pk}/").content.decode()
