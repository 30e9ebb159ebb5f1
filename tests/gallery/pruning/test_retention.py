"""Retention rules: off until an operator sets one, announced for a week, and never against what somebody kept."""

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from auravideo.celery import app
from gallery.models import Collection, CollectionItem, RetentionRule, Video, Visibility
from gallery.models.retention import NOTICE
from gallery.pruning import run
from generation.domain.states import Status
from generation.models import Job
from tests.factories import JobFactory, UserFactory, VideoFactory, a_request

pytestmark = pytest.mark.django_db
Kind = RetentionRule.Kind


@pytest.fixture(autouse=True)
def _no_messages(monkeypatch):
    monkeypatch.setattr(app, "send_task", lambda *_about, **_options: None)


def a_rule(kind, days=30, *, announced_ago=NOTICE):
    rule = RetentionRule.objects.create(kind=kind, days=days, is_active=True)
    RetentionRule.objects.update(announced_at=timezone.now() - announced_ago)
    return rule


def ago(days):
    return timezone.now() - timedelta(days=days)


def a_draft(user, days=31, *, seen_at=None, **values):
    job = JobFactory(user=user, status=Status.DONE, seen_at=seen_at)
    video = VideoFactory(user=user, job=job, request=a_request(seed=1, quality="draft"), **values)
    Video.objects.filter(pk=video.pk).update(created_at=ago(days))
    return video


def test_without_a_rule_everything_stays(user):
    JobFactory(user=user, status=Status.FAILED, ended_at=ago(1000))
    a_draft(user, 1000)
    assert run.prune() == 0


def test_failed_clips_go_after_their_days_and_no_others(user):
    a_rule(Kind.FAILED)
    old = JobFactory(user=user, status=Status.FAILED, ended_at=ago(31))
    kept = [
        JobFactory(user=user, status=Status.FAILED, ended_at=ago(29)),
        JobFactory(user=user, status=Status.CANCELLED, ended_at=ago(31)),
        JobFactory(user=user, status=Status.QUEUED),
    ]
    assert run.prune() == 1
    assert not Job.objects.filter(pk=old.pk).exists()
    assert Job.objects.count() == len(kept)


def test_only_drafts_that_nobody_opened_kept_or_shared_go_and_they_go_to_the_trash(user, settings):
    a_rule(Kind.DRAFTS)
    unopened = a_draft(user)
    collected = a_draft(user)
    CollectionItem.objects.create(collection=Collection.objects.create(user=user, name="kept"), video=collected)
    kept = [
        collected,
        a_draft(user, 29),
        a_draft(user, seen_at=ago(30)),
        a_draft(user, favourite=True),
        a_draft(user, visibility=Visibility.UNLISTED, share_token="x" * 43),
        VideoFactory(user=user, job=JobFactory(user=user, status=Status.DONE)),
    ]
    assert run.prune() == 1
    assert list(Video.objects.in_trash()) == [unopened]
    assert Video.objects.kept().count() == len(kept)


@pytest.mark.parametrize("query", ["", "?unstacked=on"])
def test_a_draft_that_the_library_lists_has_not_been_opened(signed_in, user, query):
    draft, full = a_draft(user), VideoFactory(user=user, job=JobFactory(user=user, status=Status.DONE))
    old = a_request(seed=2)
    del old["quality"]  # stored before there were qualities
    older = VideoFactory(user=user, job=JobFactory(user=user, status=Status.DONE), request=old)
    a_rule(Kind.DRAFTS, announced_ago=timedelta(0))
    signed_in.get(reverse("gallery:library") + query)
    assert set(Job.objects.filter(seen_at=None)) == {draft.job}
    assert Job.objects.filter(pk__in=[full.job_id, older.job_id]).count() == 2
    RetentionRule.objects.update(is_active=False)
    signed_in.get(reverse("gallery:library") + query)
    assert not Job.objects.filter(seen_at=None).exists()


@pytest.mark.parametrize("stricter", [{"is_active": True}, {"days": 10}])
def test_a_rule_that_is_switched_on_or_made_stricter_is_announced_for_a_week_first(user, stricter):
    first = {"is_active": False, "days": 30} if "is_active" in stricter else {"is_active": True, "days": 30}
    rule = RetentionRule.objects.create(kind=Kind.FAILED, **first)
    RetentionRule.objects.update(announced_at=timezone.now() - 2 * NOTICE)
    rule.refresh_from_db()
    for name, value in stricter.items():
        setattr(rule, name, value)
    rule.save()
    assert rule.is_announced
    assert RetentionRule.in_force(Kind.FAILED) is None
    RetentionRule.objects.update(announced_at=timezone.now() - NOTICE)
    assert RetentionRule.in_force(Kind.FAILED) == rule


def test_a_rule_that_keeps_longer_needs_no_announcement(user):
    rule = a_rule(Kind.FAILED)
    rule.refresh_from_db()
    rule.days = 60
    rule.save()
    assert RetentionRule.in_force(Kind.FAILED) == rule


@pytest.mark.parametrize(("page", "kind", "words"), [
    ("generation:jobs", Kind.FAILED, "ailed clips are deleted 30 days after they failed"),
    ("gallery:library", Kind.DRAFTS, "rafts that you have not opened for 30 days go to the trash"),
])  # fmt: skip
def test_pages_announce_a_rule_with_its_date_and_then_state_it(signed_in, page, kind, words):
    def html():
        return signed_in.get(reverse(page)).content.decode()

    assert words not in html()
    rule = RetentionRule.objects.create(kind=kind, days=30, is_active=True)
    assert words in html()
    assert "From " in html()
    assert rule.is_announced
    RetentionRule.objects.update(announced_at=timezone.now() - NOTICE)
    assert words in html()
    assert "From " not in html()


def test_the_rules_are_set_in_the_admin_by_administrators_alone(client):
    address = reverse("admin:gallery_retentionrule_add")
    client.force_login(UserFactory(is_staff=True))
    assert client.get(address).status_code == 403
    client.force_login(UserFactory(is_staff=True, is_superuser=True))
    client.post(address, {"kind": "failed", "days": "14", "is_active": "on"})
    assert RetentionRule.objects.get().days == 14
