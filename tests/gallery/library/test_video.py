"""The owner's page of a video: title, favourite, settings, similar videos, deletion."""

import json
from datetime import timedelta

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import storages
from django.urls import reverse
from django.utils import timezone

from gallery.models import Video
from generation.domain.states import Status
from tests.factories import CollectionFactory, JobFactory, VideoFactory, a_request

pytestmark = pytest.mark.django_db

HTMX = {"HX-Request": "true"}


@pytest.fixture
def video(client, user):
    client.force_login(user)
    return VideoFactory(user=user, request=a_request(seed=7, negative_prompt="blurred", quality="draft"))


def address(video, name="video") -> str:
    return reverse(f"gallery:{name}", args=[video.pk])


def test_the_page_says_everything_that_was_asked_for(client, video):
    html = client.get(address(video)).content.decode()
    request = video.request
    for text in (request["prompt"], "blurred", "Draft", "256 × 256", "24 fps", str(request["steps"]), ">7<"):
        assert text in html, text
    assert f"?video={video.pk}" in html
    assert f'src="{address(video, "file")}"' in html


def test_a_title_is_saved_stripped(client, video):
    assert client.post(address(video, "rename"), {"title": "  The heart  "}).status_code == 302
    video.refresh_from_db()
    assert video.title == "The heart"


def test_a_video_is_found_by_its_new_title_and_no_longer_by_the_old_one(client, video):
    client.post(address(video, "rename"), {"title": "Lighthouse"})
    assert "Lighthouse" in client.get("/videos/?q=lighthouse").content.decode()
    client.post(address(video, "rename"), {"title": "Beacon"})
    assert "No clips match" in client.get("/videos/?q=lighthouse").content.decode()


@pytest.mark.parametrize(("title", "says"), [("   ", "Give the clip a title."), ("x" * 201, "at most 200")])
def test_an_invalid_title_is_reported_at_the_field(client, video, title, says):
    for headers in ({}, HTMX):
        response = client.post(address(video, "rename"), {"title": title}, headers=headers)
        assert response.status_code == 200
        assert says in response.content.decode()
        assert ("<html" in response.content.decode()) == (not headers)
    video.refresh_from_db()
    assert video.title == "A red heart rising over the sea"


def test_the_title_is_edited_in_its_place_with_htmx_and_on_a_page_without(client, video):
    part = client.get(address(video, "rename"), headers=HTMX).content.decode()
    assert 'name="title" value="A red heart' in part
    assert "<html" not in part
    whole = client.get(address(video, "rename")).content.decode()
    assert 'name="title" value="A red heart' in whole
    assert "<html" in whole
    saved = client.post(address(video, "rename"), {"title": "New <b>"}, headers=HTMX).content.decode()
    assert "New &lt;b&gt;</h1>" in saved
    assert "<html" not in saved
    left = client.get(address(video), headers={**HTMX, "HX-Target": "video-title"}).content.decode()
    assert "New &lt;b&gt;</h1>" in left
    assert "<html" not in left


def test_setting_a_favourite_is_idempotent(client, video):
    for value, expected in (("1", True), ("1", True), ("0", False), ("nonsense", False)):
        response = client.post(address(video, "favourite"), {"favourite": value}, headers=HTMX)
        video.refresh_from_db()
        assert video.favourite is expected
        assert f'aria-pressed="{str(expected).lower()}"' in response.content.decode()
    response = client.post(address(video, "favourite"), {"favourite": "1", "next": "/videos/?q=x"})
    assert response.url == "/videos/?q=x"


def test_deleting_offers_to_undo(client, video):
    page = client.post(address(video, "delete"), follow=True).content.decode()
    assert "1 clip was moved to the trash." in page
    assert reverse("gallery:undo") in page
    assert not Video.objects.kept().exists()


def test_without_an_undo_window_nothing_is_offered(client, video, settings):
    settings.UNDO_MINUTES = 0
    page = client.post(address(video, "delete"), follow=True).content.decode()
    assert "1 clip was deleted." in page
    assert reverse("gallery:undo") not in page


def test_the_settings_come_as_a_file_that_the_video_could_be_made_from(client, video):
    response = client.get(address(video, "settings"))
    assert response["Content-Type"] == "application/json"
    assert response["Content-Disposition"] == 'attachment; filename="a-red-heart-rising-over-the-sea.json"'
    assert json.loads(response.content) == {"auravideo": 1, "request": video.request}


def test_similar_videos_are_own_ones_with_the_same_prompt_or_seed(client, user, other_user, video):
    same_prompt = VideoFactory(user=user, title="Same prompt", request=a_request(seed=99))
    same_seed = VideoFactory(user=user, title="Same seed", request=a_request(prompt="a star", seed=7))
    VideoFactory(user=user, title="Unlike", request=a_request(prompt="a moon", seed=8))
    VideoFactory(user=other_user, title="Theirs", request=a_request(seed=7))
    VideoFactory(user=user, title="Deleted", request=a_request(seed=7), deleted_at=timezone.now())
    html = client.get(address(video)).content.decode()
    assert all(other.title in html for other in (same_prompt, same_seed))
    assert not any(title in html for title in ("Unlike", "Theirs", "Deleted"))


def test_the_page_names_the_collections_that_it_is_in(client, user, video):
    inside, outside = CollectionFactory(user=user, name="Sea"), CollectionFactory(user=user, name="Desert")
    inside.items.create(video=video)
    html = client.get(address(video)).content.decode()
    assert reverse("gallery:collection", args=[inside.pk]) in html
    assert reverse("gallery:collection", args=[outside.pk]) not in html


def test_opening_the_page_marks_the_job_as_seen(client, user):
    client.force_login(user)
    job = JobFactory(user=user, status=Status.DONE, ended_at=timezone.now())
    video = VideoFactory(user=user, job=job)
    client.get(address(video))
    job.refresh_from_db()
    assert job.seen_at is not None


def test_the_number_of_queries_does_not_grow_with_similar_videos(
    client, user, video, busy, django_assert_max_num_queries
):
    for n in range(12):
        VideoFactory(user=user, request=a_request(seed=n))
    with django_assert_max_num_queries(11):
        client.get(address(video))


# --- The trash page ---------------------------------------------------------------------------------------------------


def test_the_trash_shows_restorable_videos_and_their_deadline(client, user, video, other_user, settings):
    settings.UNDO_MINUTES = 10
    VideoFactory(user=user, title="Just now", deleted_at=timezone.now())
    VideoFactory(user=user, title="Long ago", deleted_at=timezone.now() - timedelta(days=99))
    VideoFactory(user=other_user, title="Theirs", deleted_at=timezone.now())
    html = client.get(reverse("gallery:trash")).content.decode()
    assert "Just now" in html
    assert "deleted forever in 10 min" in html
    assert not any(title in html for title in ("Long ago", "Theirs", "A red heart"))


def test_the_trash_shows_pictures_that_only_the_owner_gets(client, user, video, other_user):
    mine, expired = (VideoFactory(user=user, deleted_at=timezone.now() - timedelta(days=age)) for age in (0, 99))
    storages["default"].save(mine.thumbnail_file.name, ContentFile(b"picture"))
    picture = reverse("gallery:trash-picture", args=[mine.pk])
    assert f'src="{picture}"' in client.get(reverse("gallery:trash")).content.decode()
    response = client.get(picture)
    assert (response.status_code, response["Content-Type"]) == (200, "image/webp")
    for other in (video, expired):
        assert client.get(reverse("gallery:trash-picture", args=[other.pk])).status_code == 404
    assert client.get(reverse("gallery:thumbnail", args=[mine.pk])).status_code == 404
    client.force_login(other_user)
    assert client.get(picture).status_code == 404


def test_trashed_videos_are_restored_or_deleted_one_by_one(client, user, video):
    one, other = (VideoFactory(user=user, deleted_at=timezone.now()) for _ in range(2))
    client.post(address(one, "restore"))
    assert set(Video.objects.kept()) == {video, one}
    client.post(address(other, "purge"))
    assert not Video.objects.in_trash().exists()
    assert client.post(address(other, "restore")).status_code == 404
    assert client.post(address(video, "purge")).status_code == 404


def test_emptying_the_trash_touches_nobody_elses_and_nothing_that_is_kept(client, user, video, other_user):
    VideoFactory.create_batch(2, user=user, deleted_at=timezone.now())
    theirs = VideoFactory(user=other_user, deleted_at=timezone.now())
    page = client.post(reverse("gallery:empty-trash"), follow=True).content.decode()
    assert "2 clips were deleted forever." in page
    assert list(Video.objects.in_trash()) == [theirs]
    assert list(Video.objects.kept()) == [video]


@pytest.mark.parametrize(
    "address", ["abc", "gallery:library", "library", "//elsewhere.example", "https://a.example/", ""]
)
def test_a_form_leads_back_within_this_site_or_to_the_library(client, video, address):
    response = client.post(reverse("gallery:delete", args=[video.pk]), {"next": address})
    assert response.url == reverse("gallery:library")
