"""Variations of one request: a batch of their own, each time they are asked for."""

import pytest

from generation.batches import variations
from generation.models import Batch, Job
from generation.quotas.refusals import TooManyJobs
from generation.requests.request import RenderRequest
from tests.factories import a_request

pytestmark = pytest.mark.django_db


def a_render(**changes) -> RenderRequest:
    return RenderRequest.from_dict(a_request(**changes))


def test_several_become_a_batch_in_order(user):
    jobs = variations.submit(user, [a_render(seed=seed) for seed in (5, 6, 7)])
    batch = Batch.objects.get()
    assert [(job.row, job.seed) for job in batch.jobs.order_by("row")] == [(1, 5), (2, 6), (3, 7)]
    assert {job.batch_id for job in jobs} == {batch.pk}
    assert (batch.axes, batch.is_variations, batch.name) == ([], True, "a red heart rising over the sea")


def test_a_single_clip_needs_no_batch(user):
    (job,) = variations.submit(user, [a_render()])
    assert job.batch_id is None
    assert not Batch.objects.exists()


def test_the_same_again_is_another_batch(user):
    for _ in range(2):
        variations.submit(user, [a_render(seed=1)] * 2)
    assert Batch.objects.count() == 2
    assert Job.objects.count() == 4


def test_all_are_queued_or_none(user, settings):
    settings.MAX_ACTIVE_JOBS = 3
    with pytest.raises(TooManyJobs):
        variations.submit(user, [a_render()] * 4)
    assert not Job.objects.exists()
    assert not Batch.objects.exists()


def test_a_long_prompt_is_cut_in_the_name_and_shown_safely(user):
    variations.submit(user, [a_render(prompt="a\ttab " + "x" * 500)] * 2)
    assert Batch.objects.get().name == "a\\ttab " + "x" * 53


def test_variations_from_the_create_page_are_one_batch(signed_in, user):
    form = {"prompt": "a red heart", "aspect": "1:1", "seconds": "2", "quality": "draft", "variations": "4"}
    signed_in.post("/create/?mode=simple", form)
    batch = Batch.objects.get(user=user)
    assert batch.jobs.count() == 4
    assert len(set(batch.jobs.values_list("seed", flat=True))) == 4
