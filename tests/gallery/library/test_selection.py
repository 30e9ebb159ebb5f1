"""Bulk actions: only on the user's own videos, never on too many, each doing what it says."""

import io
import json
import zipfile
from uuid import uuid4

import pytest
from asgiref.sync import async_to_sync
from django.core.files.base import ContentFile
from django.core.files.storage import storages
from django.urls import reverse

from gallery.library import forms
from gallery.models import Video
from tests.factories import CollectionFactory, VideoFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def videos(client, user):
    client.force_login(user)
    return VideoFactory.create_batch(3, user=user)


def act(client, name, videos, **data):
    ids = [getattr(video, "pk", video) for video in videos]
    return client.post(reverse("gallery:selected"), {"act": name, "video": ids, **data}, follow=True)


def body(response) -> bytes:
    async def read() -> bytes:
        return b"".join([block async for block in response])

    return async_to_sync(read)()


def test_chosen_videos_go_into_the_trash_and_come_back_together(client, user, videos):
    page = act(client, "delete", videos[:2])
    assert list(Video.objects.kept()) == [videos[2]]
    assert "2 clips were moved to the trash." in page.content.decode()
    stamp = page.content.decode().partition('name="at" value="')[2].partition('"')[0]
    page = client.post(reverse("gallery:undo"), {"at": stamp, "next": "/videos/?q=sea"}, follow=True)
    assert page.redirect_chain[0][0] == "/videos/?q=sea"
    assert "2 clips were restored to your library." in page.content.decode()
    assert Video.objects.kept().count() == 3


def test_undoing_one_deletion_leaves_another_as_it_is(client, user, videos):
    act(client, "delete", videos[:1])
    page = act(client, "delete", videos[1:2]).content.decode()
    stamp = page.partition('name="at" value="')[2].partition('"')[0]
    client.post(reverse("gallery:undo"), {"at": stamp})
    assert set(Video.objects.kept()) == {videos[1], videos[2]}


@pytest.mark.parametrize("stamp", ["", "x", "-1", "99999999999999999999", "1"])
def test_an_undo_of_nothing_says_that_it_is_too_late(client, videos, stamp):
    page = client.post(reverse("gallery:undo"), {"at": stamp}, follow=True)
    assert "Too late" in page.content.decode()


def test_somebody_elses_deletion_cannot_be_undone(client, videos, other_user):
    theirs = VideoFactory(user=other_user)
    client.force_login(other_user)
    page = act(client, "delete", [theirs]).content.decode()
    stamp = page.partition('name="at" value="')[2].partition('"')[0]
    client.force_login(videos[0].user)
    client.post(reverse("gallery:undo"), {"at": stamp})
    assert theirs not in Video.objects.kept()


def test_favourites_are_set_and_unset(client, videos):
    act(client, "favourite", videos[:2])
    assert set(Video.objects.filter(favourite=True)) == set(videos[:2])
    act(client, "unfavourite", videos[1:])
    assert list(Video.objects.filter(favourite=True)) == [videos[0]]


@pytest.mark.parametrize("name", ["delete", "favourite", "collect", "download", "remove"])
def test_somebody_elses_videos_are_left_out(client, videos, other_user, name):
    theirs = VideoFactory(user=other_user)
    page = act(client, name, [theirs])
    assert "None of these clips are in your library" in page.content.decode()
    theirs.refresh_from_db()
    assert (theirs.deleted_at, theirs.favourite) == (None, False)


def test_a_mixed_selection_applies_to_own_videos_only(client, videos, other_user):
    theirs = VideoFactory(user=other_user)
    act(client, "delete", [videos[0], theirs, uuid4()])
    assert set(Video.objects.kept()) == {videos[1], videos[2], theirs}


@pytest.mark.parametrize(
    ("data", "says"),
    [
        ({}, "Select at least one clip first."),
        ({"video": ["nonsense"]}, "These are not valid clip IDs."),
        ({"video": [str(uuid4()) for _ in range(forms.MAX_SELECTED + 1)]}, "You can select at most 500 clips"),
    ],
)
def test_an_invalid_selection_is_reported_and_does_nothing(client, videos, data, says):
    page = client.post(reverse("gallery:selected"), {"act": "delete", **data}, follow=True)
    assert says in page.content.decode()
    assert Video.objects.kept().count() == 3


def test_an_unknown_act_does_nothing(client, videos):
    assert act(client, "explode", videos).status_code == 200
    assert Video.objects.kept().count() == 3


def test_the_way_back_leads_to_no_other_site(client, videos):
    for address in ("https://example.org/", "//example.org", "javascript:alert(1)", "/x" * 2000):
        assert act(client, "favourite", videos, next=address).redirect_chain[0][0] == "/videos/"
    assert act(client, "favourite", videos, next="/videos/?q=sea").redirect_chain[0][0] == "/videos/?q=sea"


def test_a_zip_holds_each_video_and_its_settings(client, user):
    client.force_login(user)
    for n in range(2):
        file = storages["default"].save(f"videos/{n}/video.mp4", ContentFile(f"film {n}".encode()))
        VideoFactory(user=user, title=f"Same title {n // 2}", video_file=file)
    response = act(client, "download", Video.objects.all())
    assert response["Content-Disposition"] == 'attachment; filename="auravideo.zip"'
    with zipfile.ZipFile(io.BytesIO(body(response))) as zipped:
        assert zipped.namelist() == [
            "001-same-title-0.mp4",
            "001-same-title-0.json",
            "002-same-title-0.mp4",
            "002-same-title-0.json",
        ]
        assert zipped.read("002-same-title-0.mp4") == b"film 1"
        request = json.loads(zipped.read("001-same-title-0.json"))["request"]
    assert request["prompt"] == Video.objects.first().prompt


def test_more_than_a_zip_may_hold_is_refused_with_the_number(client, user, monkeypatch):
    client.force_login(user)
    monkeypatch.setattr(forms, "MAX_ZIPPED", 2)
    page = act(client, "download", VideoFactory.create_batch(3, user=user))
    assert "You can download at most 2 clips at once." in page.content.decode()


def test_adding_to_a_collection_asks_which_one_and_adds_once(client, user, videos):
    collection = CollectionFactory(user=user, name="Sea")
    collection.items.create(video=videos[0])
    page = act(client, "collect", videos, next="/videos/?q=sea").content.decode()
    assert "3 clips selected" in page
    assert all(str(video.pk) in page for video in videos)
    data = {"video": [video.pk for video in videos], "collection": collection.pk, "next": "/videos/?q=sea"}
    page = client.post(reverse("gallery:collect"), data, follow=True)
    assert page.redirect_chain[0][0] == "/videos/?q=sea"
    assert "2 clips were added to “Sea”." in page.content.decode()
    assert collection.items.count() == 3


def test_adding_to_a_new_collection_makes_it(client, user, videos):
    data = {"video": [videos[0].pk], "name": " Sea "}
    client.post(reverse("gallery:collect"), data)
    assert user.collections.get().name == "Sea"
    page = client.post(reverse("gallery:collect"), {**data, "name": "sEA"}).content.decode()
    assert "You already have a collection with this name." in page
    page = client.post(reverse("gallery:collect"), {"video": [videos[0].pk]}).content.decode()
    assert "Choose a collection, or name a new one." in page
    assert user.collections.count() == 1


def test_nothing_can_be_added_to_somebody_elses_collection(client, videos, other_user):
    theirs = CollectionFactory(user=other_user)
    response = client.post(reverse("gallery:collect"), {"video": [videos[0].pk], "collection": theirs.pk})
    assert response.status_code == 200
    assert theirs.items.count() == 0


def test_somebody_elses_video_cannot_be_added(client, user, videos, other_user):
    collection, theirs = CollectionFactory(user=user), VideoFactory(user=other_user)
    client.post(reverse("gallery:collect"), {"video": [theirs.pk], "collection": collection.pk})
    assert collection.items.count() == 0


def test_taking_out_of_a_collection_keeps_the_video(client, user, videos, other_user):
    collection, theirs = CollectionFactory(user=user, name="Sea"), CollectionFactory(user=other_user)
    for video in videos:
        collection.items.create(video=video)
    page = act(client, "remove", videos[:2], collection=collection.pk)
    assert "2 clips were removed from “Sea”." in page.content.decode()
    assert [item.video for item in collection.items.all()] == [videos[2]]
    assert Video.objects.kept().count() == 3
    assert act(client, "remove", videos, collection=theirs.pk).status_code == 404
