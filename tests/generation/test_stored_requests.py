"""A stored request that this version cannot read: nothing breaks on it, and the clip says so when it is its turn."""

from uuid import UUID

import pytest
from django.urls import reverse

from generation.create.forms import CreateForm
from generation.create.summaries import draws_same_noise
from generation.domain.states import Stage, Status
from generation.jobs.cures import cure_of
from generation.models import Job
from generation.queue import claims, services
from generation.queue.loading import ahead
from generation.requests.fields import FIELDS
from generation.requests.request import InvalidRequest, RenderRequest
from tests.factories import JobFactory, WorkerFactory, a_request, planned
from tests.generation.create.pages import SIMPLE
from workers import loading

pytestmark = pytest.mark.django_db

UNREADABLE = {
    "nothing": dict,
    "by hand": lambda: {"prompt": "a heart", "format": "mp4"},
    "text for a number": lambda: {**a_request(), "width": "wide"},
    "no size at all": lambda: {**a_request(), "height": 0},
    "a number for text": lambda: {**a_request(), "prompt": 5},
    "no list of pairs": lambda: {**a_request(), "motion_loras": [3]},
    "nothing for a number": lambda: {**a_request(), "fps": None},
}


@pytest.fixture(params=UNREADABLE.values(), ids=UNREADABLE.keys())
def stored(request, db):
    return request.param()


@pytest.fixture
def job(user, stored):
    """Return a job with a plan that can be read, and a request that cannot."""
    return JobFactory(user=user, request=stored, plan=planned(a_request()), seed=1)


def ended(job, status):
    Job.objects.filter(pk=job.pk).update(status=status, error_id="out-of-memory" if status == Status.FAILED else "")
    job.refresh_from_db()
    return job


def state(job):
    return Job.objects.values_list("status", "error_id").get(pk=job.pk)


def test_it_is_refused_by_the_name_of_the_setting(stored):
    with pytest.raises(InvalidRequest) as refused:
        RenderRequest.from_dict(stored)
    ((said,),) = refused.value.errors.values()
    wrong = [name for name, value in a_request().items() if stored.get(name) != value]
    assert any(str(FIELDS[name].label) in said for name in wrong)
    assert ("Prompt" in said) == ("prompt" not in stored or stored["prompt"] == 5)


def test_numbers_are_read_however_json_wrote_them():
    request = RenderRequest.from_dict(a_request(seed=7, guidance=7.0))
    assert RenderRequest.from_dict({**request.to_dict(), "width": float(request.width), "guidance": 7}) == request
    earlier = {name: value for name, value in request.to_dict().items() if name not in ("quality", "style_loras")}
    assert RenderRequest.from_dict(earlier) == request, "a version that had no styles stored it"


@pytest.mark.parametrize("status", [Status.QUEUED, Status.RUNNING, Status.DONE, Status.FAILED, Status.CANCELLED])
def test_its_pages_open(signed_in, job, status):
    ended(job, status)
    for address in (reverse("generation:job", args=[job.pk]), reverse("generation:jobs"), reverse("generation:create")):
        assert signed_in.get(address).status_code == 200, address


def test_making_it_again_is_refused_on_its_page(signed_in, job):
    ended(job, Status.DONE)
    address = reverse("generation:job", args=[job.pk])
    assert signed_in.post(reverse("generation:create-again", args=[job.pk])).url == address
    assert "cannot be read" in signed_in.get(address).text
    assert Job.objects.count() == 1


def test_its_settings_can_be_changed_in_another_quality(signed_in, job):
    ended(job, Status.DONE)
    address = f"{reverse('generation:create')}?from={job.pk}&quality=standard"
    assert signed_in.get(address).status_code == signed_in.get(f"{address}&change=").status_code == 200


def test_it_does_not_promise_the_same_composition(stored):
    form = CreateForm(SIMPLE, mode="simple")
    assert not draws_same_noise(stored, form)


def test_trying_it_once_more_is_refused(signed_in, job):
    ended(job, Status.FAILED)
    with pytest.raises(InvalidRequest):
        services.retry(job)
    assert cure_of(job) is None
    signed_in.post(reverse("generation:retry", args=[job.pk]))
    assert state(job)[0] == Status.FAILED


def test_it_fails_when_it_is_to_be_sent(job):
    services.send([job.pk])
    assert state(job) == (Status.FAILED, "request-invalid")


def test_it_fails_when_a_worker_takes_it(job):
    assert claims.claim(UUID(str(job.pk)), job.run, Stage.PREPROCESS, 0, "worker:1") is None
    assert state(job) == (Status.FAILED, "request-invalid")


def test_no_model_is_loaded_ahead_for_it(job):
    for queue in ("interpolate", "upscale"):
        WorkerFactory(name=f"{queue}@host", queues=[queue])
    ahead.ask([(job, job.render_plan)])
    loading.ahead_of(Stage.UPSCALE, job.pk)
    assert not ahead.look(Stage.UPSCALE, "")
