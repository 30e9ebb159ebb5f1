"""Visibility, tags and likes of a video. Concurrency is tested in tests/e2e/test_sharing.py."""

import pytest
from django.utils import timezone

from gallery.access import shared_videos, visible_videos
from gallery.models import Like, Video, VideoTag, Visibility
from gallery.sharing import services
from tests.factories import VideoFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def video(user):
    return VideoFactory(user=user)


def fresh(video) -> Video:
    return Video.objects.get(pk=video.pk)


# --- Visibility -------------------------------------------------------------------------------------------------------


def test_a_new_video_is_its_owners_alone(video, other_user):
    assert video.visibility == Visibility.PRIVATE
    assert not visible_videos(other_user).exists()


def test_an_unlisted_one_is_watched_by_its_link_and_found_by_nobody(video, other_user):
    assert services.set_visibility(video, Visibility.UNLISTED)
    assert len(video.share_token) == 43
    assert shared_videos(video.share_token).get() == video
    assert not visible_videos(other_user).exists()
    assert not Video.objects.listed().exists()


def test_a_public_one_is_found_by_everybody(video, other_user):
    assert services.set_visibility(video, Visibility.PUBLIC)
    assert visible_videos(other_user).get() == video
    assert video.share_token is None


def test_setting_the_current_visibility_changes_nothing(video):
    services.set_visibility(video, Visibility.UNLISTED)
    token = video.share_token
    assert not services.set_visibility(video, Visibility.UNLISTED)
    assert fresh(video).share_token == token


def test_a_stale_request_changes_nothing(video):
    older = fresh(video)
    services.set_visibility(video, Visibility.PUBLIC)
    assert not services.set_visibility(older, Visibility.UNLISTED)
    assert fresh(video).visibility == Visibility.PUBLIC


def test_what_is_in_the_trash_is_not_shared(video):
    Video.objects.update(deleted_at=timezone.now())
    assert not services.set_visibility(video, Visibility.PUBLIC)
    assert fresh(video).visibility == Visibility.PRIVATE


def test_making_it_public_again_keeps_the_date_so_that_nobody_jumps_to_the_top(video):
    services.set_visibility(video, Visibility.PUBLIC)
    first = video.published_at
    services.set_visibility(video, Visibility.PRIVATE)
    services.set_visibility(video, Visibility.PUBLIC)
    assert video.published_at == first


def test_the_link_survives_going_public_and_ends_when_private(video):
    services.set_visibility(video, Visibility.UNLISTED)
    token = video.share_token
    services.set_visibility(video, Visibility.PUBLIC)
    assert shared_videos(token).exists()
    services.set_visibility(video, Visibility.PRIVATE)
    assert not shared_videos(token).exists()
    services.set_visibility(video, Visibility.UNLISTED)
    assert video.share_token != token
    assert not shared_videos(token).exists()


def test_a_revoked_link_is_dead_for_good_and_the_next_one_is_another(video):
    services.set_visibility(video, Visibility.UNLISTED)
    token = video.share_token
    assert services.revoke_link(video)
    assert fresh(video).visibility == Visibility.PRIVATE
    assert not shared_videos(token).exists()
    services.set_visibility(video, Visibility.UNLISTED)
    assert not shared_videos(token).exists()
    assert shared_videos(video.share_token).exists()


def test_revoking_the_link_of_a_public_video_leaves_it_public(video):
    services.set_visibility(video, Visibility.UNLISTED)
    services.set_visibility(video, Visibility.PUBLIC)
    token = video.share_token
    assert services.revoke_link(video)
    assert fresh(video).visibility == Visibility.PUBLIC
    assert not shared_videos(token).exists()


def test_there_is_nothing_to_revoke_twice(video):
    services.set_visibility(video, Visibility.UNLISTED)
    older = fresh(video)
    assert services.revoke_link(video)
    assert not services.revoke_link(older)
    assert not services.revoke_link(fresh(video))


# --- Tags -------------------------------------------------------------------------------------------------------------


def names(video) -> set[str]:
    return set(video.video_tags.values_list("tag__name", flat=True))


def test_tags_are_those_and_no_others(video):
    services.set_tags(video, ("sea", "night"))
    services.set_tags(video, ("night", "loop"))
    assert names(video) == {"night", "loop"}
    services.set_tags(video, ())
    assert names(video) == set()


def test_two_videos_share_a_tag(video):
    other = VideoFactory()
    services.set_tags(video, ("sea",))
    services.set_tags(other, ("sea",))
    assert VideoTag.objects.values("tag").distinct().count() == 1
    services.set_tags(video, ())
    assert names(other) == {"sea"}


def test_tags_have_the_date_of_a_public_video_and_none_while_it_is_not(video):
    services.set_tags(video, ("sea",))
    assert video.video_tags.get().published_at is None
    services.set_visibility(video, Visibility.PUBLIC)
    assert video.video_tags.get().published_at == video.published_at
    services.set_tags(video, ("sea", "night"))
    assert set(video.video_tags.values_list("published_at", flat=True)) == {video.published_at}
    services.set_visibility(video, Visibility.UNLISTED)
    assert set(video.video_tags.values_list("published_at", flat=True)) == {None}


def test_trashed_videos_cannot_be_tagged(video):
    Video.objects.update(deleted_at=timezone.now())
    services.set_tags(video, ("sea",))
    assert names(video) == set()


# --- Likes --------------------------------------------------------------------------------------------------


def test_liking_counts_once_and_can_be_taken_back(video, other_user):
    assert services.like(other_user, video)
    assert not services.like(other_user, video)
    assert (fresh(video).likes, Like.objects.count()) == (1, 1)
    assert services.unlike(other_user, video)
    assert not services.unlike(other_user, video)
    assert (fresh(video).likes, Like.objects.count()) == (0, 0)


def test_likes_of_a_deleted_account_no_longer_count(video, other_user):
    from accounts import personal_data

    services.like(other_user, video)
    services.like(video.user, video)
    list(personal_data.erase(other_user))
    assert (fresh(video).likes, Like.objects.count()) == (1, 1)


def test_a_person_is_told_of_their_likes_and_gets_them_with_their_data(video, other_user):
    from accounts import personal_data

    services.like(other_user, video)
    assert "1 like" in [holding.label for holding in personal_data.summary(other_user)]
    entry = next(entry for entry in personal_data.export(other_user) if entry.name == "likes.json")
    assert str(video.pk) in b"".join(entry.read()).decode()
