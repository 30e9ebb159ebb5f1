"""What was posted to an earlier version still makes the same jobs, the same complaints and the same batches.

`replay.json` was recorded before form and calculation were taken apart; only names of fields were changed since.
"""

import json
from pathlib import Path

import pytest
from django.urls import reverse

from generation.batches.parsing import digest, read_rows
from generation.models import Batch, Job
from tests.generation.create.pages import create

pytestmark = pytest.mark.django_db

RECORDED = json.loads(Path(__file__).with_name("replay.json").read_text())


def recorded_part(request: dict, recorded: dict) -> dict:
    """What a request says of the fields that there were when the posts were recorded."""
    return {name: request[name] for name in recorded}


def name_of(post: dict) -> str:
    return f"{post['mode']}-{'-'.join(post['data'].get(name, '') for name in ('aspect', 'quality', 'short_side'))}"


@pytest.mark.parametrize("post", RECORDED["posts"], ids=name_of)
def test_a_recorded_post_makes_the_jobs_that_it_made(signed_in, post):
    response = create(signed_in, post["mode"], post["data"])
    jobs = [{**job.request, "seed": job.seed} for job in Job.objects.order_by("priority")]
    assert len(jobs) == len(post["jobs"])
    assert [recorded_part(*pair) for pair in zip(jobs, post["jobs"], strict=True)] == post["jobs"]
    if "errors" in post:
        errors = response.context["form"].errors
        assert {name: [str(text) for text in texts] for name, texts in errors.items()} == post["errors"]


@pytest.mark.parametrize("recorded", RECORDED["batches"], ids=lambda recorded: recorded["digest"][:8])
def test_a_recorded_batch_has_its_rows_and_is_still_the_same_batch(signed_in, recorded):
    signed_in.post(reverse("generation:create-many"), {"lines": recorded["lines"], **recorded["page"]})
    batch = Batch.objects.get()
    assert batch.digest == recorded["digest"]
    requests = batch.jobs.order_by("row").values_list("request", flat=True)
    assert [recorded_part(*pair) for pair in zip(requests, recorded["requests"], strict=True)] == recorded["requests"]
    assert digest(read_rows(recorded["lines"].encode())) == recorded["command_digest"]
