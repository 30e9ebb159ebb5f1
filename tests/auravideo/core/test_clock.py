"""What machines compare is written by the database's clock: that of a web server may be wrong."""

from datetime import timedelta
from itertools import pairwise

import pytest
from django.urls import reverse
from django.utils import timezone

from auravideo.core import clock
from gallery import lifecycle
from gallery.models import Video
from generation.models import Job
from generation.queue import services
from generation.requests.request import RenderRequest
from tests.factories import VideoFactory, a_request

pytestmark = pytest.mark.django_db

WRONG = timedelta(hours=3)
request = RenderRequest.from_dict


@pytest.fixture
def present(monkeypatch):
    """Let this machine's clock be three hours ahead; return what it should say, within a minute."""
    right = timezone.now()
    monkeypatch.setattr(timezone, "now", lambda: right + WRONG)
    return right


def is_present(moment, present):
    return abs(moment - present) < timedelta(minutes=1)


def test_the_clock_is_aware_and_advances(present):
    first, second = clock.now(), clock.now()
    assert is_present(first, present)
    assert first <= second


def test_clips_are_queued_in_order_whatever_this_machine_says(present, user):
    batch = services.submit_many(user, [request(a_request(seed=n)) for n in range(5)])
    last = services.submit(user, request(a_request()))
    moments = [Job.objects.get(pk=job.pk).queued_at for job in (*batch, last)]
    assert all(is_present(moment, present) for moment in moments)
    assert all(earlier < later for earlier, later in pairwise(moments))


def test_a_clip_is_behind_the_others_even_if_these_were_queued_by_a_wrong_clock(present, user):
    first = services.submit(user, request(a_request()))
    Job.objects.filter(pk=first.pk).update(queued_at=present + WRONG)
    second = services.submit(user, request(a_request()))
    assert second.queued_at > present + WRONG


def test_a_retried_clip_is_queued_at_the_present(present, user):
    job = services.submit(user, request(a_request()))
    services.cancel(job)
    assert services.retry(job)
    job.refresh_from_db()
    assert is_present(job.queued_at, present)


def test_the_trash_keeps_a_video_for_as_long_as_it_says(present, user, settings):
    settings.UNDO_MINUTES = 120
    video = VideoFactory(user=user)
    _count, moment = lifecycle.trash(Video.objects.filter(pk=video.pk))
    assert is_present(moment, present)
    assert lifecycle.restore(Video.objects.filter(deleted_at=moment)) == 1


def test_only_clips_that_ended_before_the_page_are_removed_from_the_list(present, signed_in):
    assert is_present(signed_in.get(reverse("generation:jobs")).context["now"], present)
