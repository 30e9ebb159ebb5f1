"""Updates of one open page: only what it shows, at a cost independent of the user's number of jobs."""

import re

import pytest
from django.utils import timezone

from generation.domain.states import Stage, Status
from generation.jobs import archive
from generation.jobs.page_updates import MAX_SHOWN, View
from generation.queue import claims, estimates, services
from tests.factories import JobFactory

pytestmark = pytest.mark.django_db


def view_of(user, *shown) -> View:
    return View(user, f"jobs={','.join(str(job.pk) for job in shown)}&language=en".encode())


def running(user):
    job = JobFactory(user=user)
    held = claims.claim(job.pk, 1, Stage.GENERATE, 0, "worker")
    claims.beat(held, 1, 4)
    return job, held


def articles(html: str) -> list[str]:
    return re.findall(r'<article id="job-([0-9a-f-]+)"', html)


def rows(html: str) -> list[str]:
    return re.findall(r'<li id="active-([0-9a-f-]+)"', html)


def test_progress_sends_the_article_and_the_row_alone_by_two_queries(user, django_assert_num_queries):
    job, held = running(user)
    view = view_of(user, job)
    view.present()
    claims.beat(held, 2, 4)
    view.changes({job.pk})  # caches this machine's rates
    with django_assert_num_queries(2):
        html = view.changes({job.pk})
    assert (articles(html), rows(html)) == ([str(job.pk)], [str(job.pk)])
    assert 'id="active-jobs"' not in html


def test_progress_of_a_job_that_the_page_does_not_show_sends_its_row_alone(user):
    job, _ = running(user)
    view = view_of(user)
    view.present()
    html = view.changes({job.pk})
    assert (articles(html), rows(html)) == ([], [str(job.pk)])


def test_progress_not_shown_on_the_page_sends_nothing(user):
    for _ in range(6):
        running(user)
    seventh, _ = running(user)
    view = view_of(user)
    view.present()
    view.changes({seventh.pk})
    assert view.changes({seventh.pk}) == ""


def test_a_job_that_is_not_on_the_page_moves_the_panel_when_its_state_changes(user):
    job, _ = running(user)
    view = view_of(user)
    view.present()
    services.cancel(job)
    html = view.changes({job.pk})
    assert 'id="active-jobs"' in html
    assert rows(html) == []
    assert '<span id="count-cancelled" class="count" data-merge>1</span>' in html


@pytest.mark.parametrize("count", [1, 24])
def test_a_change_costs_as_many_queries_for_many_jobs_as_for_one(user, count, django_assert_max_num_queries):
    jobs = [JobFactory(user=user) for _ in range(count)]
    for _ in range(count):
        JobFactory(user=user, status=Status.DONE, ended_at=timezone.now())
    view = view_of(user, *jobs)
    estimates._rate.cache_clear()
    view.present()
    services.cancel(jobs[0])
    with django_assert_max_num_queries(10):
        view.changes({jobs[0].pk})


def test_queued_jobs_move_up_when_one_ahead_leaves(user):
    first, second = JobFactory(user=user), JobFactory(user=user)
    view = view_of(user, first, second)
    assert "Place 2 in the queue" in view.present()
    services.cancel(first)
    html = view.changes({first.pk})
    assert sorted(articles(html)) == sorted([str(first.pk), str(second.pk)])
    assert "Place 2 in the queue" not in html


def test_a_job_that_nobody_works_on_is_looked_at_regularly(user):
    job, held = running(user)
    view = view_of(user, job)
    view.present()
    assert view.waiting == set()
    claims.finish(held, {})
    view.changes({job.pk})
    assert view.waiting == {job.pk}


def test_a_deleted_job_is_removed_from_the_page(user):
    job = JobFactory(user=user, status=Status.DONE, ended_at=timezone.now())
    view = view_of(user, job)
    view.present()
    pk = job.pk
    job.delete()
    html = view.changes({pk})
    assert f'<article id="job-{pk}" class="job" data-gone>' in html
    assert rows(html) == []


def test_a_flood_of_changes_renders_only_what_the_page_shows(user):
    shown = JobFactory(user=user, status=Status.DONE, ended_at=timezone.now())
    others = [JobFactory(user=user, status=Status.DONE, ended_at=timezone.now()) for _ in range(MAX_SHOWN + 5)]
    view = view_of(user, shown)
    view.present()
    archive.mark_seen(user)
    html = view.changes({job.pk for job in [shown, *others]})
    assert articles(html) == [str(shown.pk)]
    assert 'data-new="0"' in html


@pytest.mark.parametrize(
    "query",
    [
        b"",
        b"\xff\xfe",
        b"jobs=nonsense,,&language=klingon",
        b"jobs=" + b"0" * 100_000,
        b"&".join(b"a=1" for _ in range(1000)),
        b"language=" + b"x" * 10_000,
        b"jobs=" + b",".join(b"%032d" % n for n in range(10_000)),
    ],
)
def test_whatever_the_address_says_the_page_gets_its_panel(user, query):
    JobFactory(user=user)
    view = View(user, query)
    assert len(view.shown) <= MAX_SHOWN
    assert 'id="active-jobs"' in view.present()


def test_a_job_that_left_the_list_meanwhile_leaves_the_page_and_others_are_not_mentioned(user, other_user):
    removed, kept, foreign = (
        JobFactory(user=user, status=Status.DONE),
        JobFactory(user=user),
        JobFactory(user=other_user),
    )
    archive.remove(removed)
    html = view_of(user, removed, kept, foreign).present()
    assert articles(html) == [str(kept.pk), str(removed.pk)]
    assert f'<article id="job-{removed.pk}" class="job" data-gone>' in html
