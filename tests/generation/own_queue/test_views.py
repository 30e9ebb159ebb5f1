"""The queue page: one's own order and pause, with and without htmx, and compact rows of what has ended."""

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from generation.domain.states import Status
from generation.jobs.page_updates import View
from generation.models import Job
from tests.factories import JobFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def jobs(user):
    now = timezone.now()
    return [JobFactory(user=user, queued_at=now + timedelta(seconds=n)) for n in range(4)]


def ended(user, status=Status.DONE, **options):
    return JobFactory(user=user, status=status, ended_at=timezone.now(), **options)


def open_queue(client, query=""):
    return client.get(f"{reverse('generation:jobs')}?{query}")


def move(client, job, to, **options):
    return client.post(
        reverse("generation:queue-move", args=[job.pk]), {"to": to, **options.pop("data", {})}, **options
    )


def shown(page, name="jobs"):
    return [row["job"] for row in page.context[name]]


def test_the_queue_is_in_the_order_in_which_it_is_rendered(signed_in, user, jobs):
    Job.objects.filter(pk=jobs[2].pk).update(status=Status.RUNNING, started_at=timezone.now())
    assert shown(open_queue(signed_in)) == [jobs[2], jobs[0], jobs[1], jobs[3]]


def test_what_has_ended_is_a_compact_row_below(signed_in, user, jobs):
    done = ended(user)
    page = open_queue(signed_in)
    assert shown(page, "recent") == [done]
    assert f'id="job-{done.pk}" class="job job--row"' in page.text
    assert "<h1>Queue</h1>" in page.text
    assert page.text.index(str(jobs[3].pk)) < page.text.index(f'id="job-{done.pk}"')


def test_the_second_page_of_what_has_ended_does_not_repeat_the_queue(signed_in, user, jobs):
    for _ in range(26):
        ended(user)
    first = open_queue(signed_in)
    second = open_queue(signed_in, first.context["page"].older)
    assert (len(shown(first, "recent")), len(shown(second, "recent"))) == (24, 2)
    assert shown(second) == []


def test_a_long_queue_says_how_many_more_wait_and_shows_them_all_on_request(signed_in, user):
    now = timezone.now()
    for n in range(30):
        JobFactory(user=user, queued_at=now + timedelta(seconds=n))
    assert "6 more clips are waiting" in open_queue(signed_in).text
    assert len(shown(open_queue(signed_in, "show=active"))) == 30


def test_moving_without_scripts_leads_back_to_the_queue(signed_in, jobs):
    response = move(signed_in, jobs[3], "top")
    assert response.url == reverse("generation:jobs")
    assert shown(open_queue(signed_in)) == [jobs[3], *jobs[:3]]


def test_moving_with_htmx_answers_with_the_moved_clips(signed_in, jobs):
    response = move(signed_in, jobs[1], "up", headers={"HX-Request": "true", "HX-Target": f"job-{jobs[1].pk}"})
    for job in jobs[:2]:
        assert f'id="job-{job.pk}"' in response.text
    assert f'id="job-{jobs[2].pk}" class="job"' not in response.text
    assert "data-order=" in response.text
    assert 'id="active-jobs"' in response.text


def test_dragging_puts_a_clip_before_another(signed_in, jobs):
    move(signed_in, jobs[3], "before", data={"other": str(jobs[1].pk)})
    assert shown(open_queue(signed_in)) == [jobs[0], jobs[3], jobs[1], jobs[2]]


@pytest.mark.parametrize("htmx", [True, False])
def test_a_clip_that_has_started_is_not_moved_and_the_page_says_so(signed_in, jobs, htmx):
    Job.objects.filter(pk=jobs[1].pk).update(status=Status.RUNNING, started_at=timezone.now())
    headers = {"HX-Request": "true"} if htmx else {}
    response = move(signed_in, jobs[1], "top", headers=headers, **({} if htmx else {"follow": True}))
    assert "This clip is no longer waiting, so it was not moved." in response.text


@pytest.mark.parametrize("data", [{"to": "sideways"}, {"to": ""}, {"to": "before", "other": "no-id"}])
def test_nonsense_is_refused(signed_in, jobs, data):
    assert signed_in.post(reverse("generation:queue-move", args=[jobs[0].pk]), data).status_code == 400


def test_a_paused_queue_says_so_and_why_nothing_starts(signed_in, user, jobs):
    signed_in.post(reverse("generation:queue-pause"))
    page = open_queue(signed_in).text
    assert "Your queue is paused." in page
    assert "Resume the queue" in page
    assert "Pause the queue" not in page
    own = signed_in.get(reverse("generation:job", args=[jobs[0].pk])).text
    assert "Your queue is paused, so this clip does not start." in own
    assert "Place 1 in the queue" not in own
    assert "paused" in signed_in.get(reverse("generation:create")).text
    signed_in.post(reverse("generation:queue-resume"))
    assert "Your queue is paused" not in open_queue(signed_in).text


def test_an_empty_queue_that_is_paused_can_be_resumed(signed_in, user):
    User.objects.filter(pk=user.pk).update(queue_paused_at=timezone.now())
    assert "Resume the queue" in open_queue(signed_in).text


def test_news_of_a_compact_row_stay_compact_until_it_is_rendered_again(user):
    done = ended(user)
    query = f"jobs={done.pk}&recent={done.pk}&language=en".encode()
    assert "job--row" in View(user, query).present()
    assert "job--row" not in View(user, f"jobs={done.pk}&language=en".encode()).present()
    Job.objects.filter(pk=done.pk).update(status=Status.QUEUED)
    assert "job--row" not in View(user, query).present()


def test_the_queue_page_takes_as_many_queries_for_twenty_as_for_two(signed_in, user, django_assert_max_num_queries):
    def fill(count):
        for _ in range(count):
            JobFactory(user=user)
            ended(user)

    fill(2)
    open_queue(signed_in)
    with django_assert_max_num_queries(25) as before:
        open_queue(signed_in)
    fill(10)
    with django_assert_max_num_queries(len(before)):
        open_queue(signed_in)
