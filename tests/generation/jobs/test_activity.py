"""The activity panel: rendering jobs, then queued ones, then the most recently ended, at a constant query count."""

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from generation.domain.states import Status
from generation.jobs import activity
from tests.factories import JobFactory, VideoFactory

pytestmark = pytest.mark.django_db


def ended(user, seconds_ago: int, status=Status.DONE, **changes):
    return JobFactory(user=user, status=status, ended_at=timezone.now() - timedelta(seconds=seconds_ago), **changes)


def ids(rows) -> list:
    return [row.job.pk for row in rows]


def test_rendering_jobs_come_first_then_queued_then_most_recently_ended(user):
    waiting, running = JobFactory(user=user), JobFactory(user=user, status=Status.RUNNING)
    old, new = ended(user, 60), ended(user, 10, Status.FAILED)
    shown = activity.panel_of(user)
    assert ids(shown.rows) == [running.pk, waiting.pk, new.pk, old.pk]


def test_the_panel_hides_cancelled_removed_and_other_users_jobs(user, other_user):
    ended(user, 1, Status.CANCELLED)
    ended(user, 1, removed_at=timezone.now())
    ended(other_user, 1)
    JobFactory(user=other_user)
    assert activity.panel_of(user).rows == ()
    assert activity.counts_of(user).active == activity.counts_of(user).new == 0


def test_jobs_beyond_the_panels_limit_are_counted(user):
    for n in range(9):
        JobFactory(user=user)
        ended(user, n, seen_at=timezone.now() if n == 0 else None)
    shown = activity.panel_of(user)
    assert (len(shown.active), len(shown.ended)) == (activity.ACTIVE_ROWS, activity.ENDED_ROWS)
    assert (shown.counts.active, shown.counts.new) == (9, 8)
    assert (shown.more_active, shown.more_new) == (6, 5)


def test_the_panel_costs_as_many_queries_for_many_jobs_as_for_few(user, django_assert_max_num_queries):
    for n in range(9):
        JobFactory(user=user)
        VideoFactory(user=user, job=ended(user, n))
    activity.panel_of(user)
    with django_assert_max_num_queries(5):
        activity.panel_of(user)


def test_every_page_has_the_panel_with_links_to_jobs_and_videos(client, user):
    client.force_login(user)
    job, done = JobFactory(user=user), ended(user, 1)
    video = VideoFactory(user=user, job=done)
    for page in ("generation:create", "generation:jobs", "account_email"):
        html = client.get(reverse(page)).content.decode()
        assert 'data-active="1" data-new="1"' in html
        assert f'href="{reverse("generation:job", args=[job.pk])}"' in html
        assert f'href="{reverse("gallery:video", args=[video.pk])}"' in html
        assert f'src="{reverse("gallery:thumbnail", args=[video.pk])}"' in html
        assert f'action="{reverse("generation:cancel", args=[job.pk])}"' in html


def test_anonymous_visitors_get_no_panel(client):
    html = client.get(reverse("home")).content.decode()
    assert "active-jobs" not in html
    assert "jobs.js" not in html


def test_prompts_are_escaped(client, user):
    client.force_login(user)
    job = JobFactory(user=user)
    job.request["prompt"] = '"><script>alert(1)</script>'
    job.save(update_fields=["request"])
    assert "<script>alert" not in client.get(reverse("generation:jobs")).content.decode()
