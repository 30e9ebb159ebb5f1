"""The library's part of the data summary and the export."""

import json
from collections.abc import Iterable

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import storages
from django.utils import timezone

from gallery.personal_data import VideosOfPerson
from tests.factories import CollectionFactory, VideoFactory

pytestmark = pytest.mark.django_db


def files(user) -> dict[str, bytes]:
    return {entry.name: b"".join(entry.read()) for entry in VideosOfPerson().export(user)}


def labels(user) -> Iterable[str]:
    return [holding.label for holding in VideosOfPerson().summary(user)]


@pytest.fixture
def video(user):
    name = storages["default"].save("videos/1/video.mp4", ContentFile(b"film"))
    return VideoFactory(user=user, title="Heart", video_file=name, favourite=True)


def test_videos_are_exported_with_their_metadata(user, video):
    found = files(user)
    assert found["videos/0001-heart.mp4"] == b"film"
    record = json.loads(found["videos/0001-heart.json"])
    assert (record["favourite"], record["visibility"], record["made_public"]) == (True, "private", None)
    assert "collections.json" not in found


def test_collections_are_counted_and_exported_with_their_videos(user, other_user, video):
    CollectionFactory(user=other_user, name="Theirs")
    CollectionFactory(user=user, name="Sea").items.create(video=video)
    CollectionFactory(user=user, name="Empty")
    rows = json.loads(files(user)["collections.json"])
    assert [(row["name"], row["videos"]) for row in rows] == [("Sea", [str(video.pk)]), ("Empty", [])]
    assert labels(user) == ["1 clip", "2 collections"]


def test_the_trash_is_erased_with_the_account_and_not_exported(user, video):
    VideoFactory(user=user, title="Deleted", deleted_at=timezone.now())
    assert labels(user) == ["2 clips"]
    assert list(files(user)) == ["videos/0001-heart.mp4", "videos/0001-heart.json"]
