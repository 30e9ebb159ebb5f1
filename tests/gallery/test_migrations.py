"""Data migrations keep existing videos intact, forwards and backwards."""

from importlib import import_module

import pytest
from django.apps import apps

from gallery.models import Act, ModerationAction, SafetyRule, Video
from tests.factories import VideoFactory, a_request

pytestmark = pytest.mark.django_db


def test_requests_of_videos_say_quality_and_can_go_back(monkeypatch):
    migration = import_module("gallery.migrations.0007_request_quality")
    monkeypatch.setattr(migration, "ROWS", 2)
    present = a_request(seed=1, quality="draft")
    old = {**{name: value for name, value in present.items() if name != "quality"}, "preset": "draft"}
    videos = [VideoFactory(request=old) for _ in range(5)]
    odd = VideoFactory()
    Video.objects.filter(pk=odd.pk).update(request=["preset", "quality"])  # JSON holds more than objects
    migration.to_quality(apps, None)
    assert all(Video.objects.get(pk=video.pk).request == present for video in videos)
    migration.to_preset(apps, None)
    assert all(Video.objects.get(pk=video.pk).request == old for video in videos)
    assert Video.objects.get(pk=odd.pk).request == ["preset", "quality"]


def test_what_was_shared_before_there_was_a_check_stays_visible(monkeypatch):
    migration = import_module("gallery.migrations.0016_shared_before_the_check")
    monkeypatch.setattr(migration, "AT_ONCE", 1)
    public, unlisted, private = (
        VideoFactory(screening="unseen", **fields) for fields in ({"public": True}, {"shared": True}, {})
    )
    SafetyRule.objects.all().delete()
    migration.start(apps, None)
    migration.start(apps, None)
    assert set(Video.objects.shown()) == {public, unlisted}
    assert Video.objects.get(pk=private.pk).screening == "unseen"
    assert SafetyRule.objects.get().is_on


def test_titles_that_lead_to_nobody_are_forgotten():
    video, fields = VideoFactory(), {"video_title": "a private title"}
    gone = ModerationAction.objects.create(act=Act.HIDE, **fields)
    kept = [ModerationAction.objects.create(act=Act.DISMISS, video=video, **fields)]
    kept.append(ModerationAction.objects.create(act=Act.DELETE, person=video.user, **fields))
    import_module("gallery.migrations.0020_forget_titles").forget(apps, None)
    assert set(ModerationAction.objects.filter(video_title="a private title")) == set(kept)
    assert ModerationAction.objects.get(pk=gone.pk).video_title == ""


def test_that_does_not_lock_all_shared_videos_at_once():
    assert not import_module("gallery.migrations.0016_shared_before_the_check").Migration.atomic
