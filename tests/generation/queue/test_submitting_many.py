"""Submitting several requests at once: all or none are queued, in the same order as one by one."""

from dataclasses import replace

import pytest

from generation.domain.states import Status
from generation.models import BlockedTerm, Job
from generation.queue import broker, events, services
from generation.queue.blocked_terms import BlockedPrompt
from generation.quotas.refusals import TooManyJobs
from generation.requests.request import InvalidRequest, RenderRequest
from tests.factories import JobFactory, a_request

pytestmark = pytest.mark.django_db(transaction=True)


def asked(**changes) -> RenderRequest:
    return RenderRequest.from_dict(a_request(**changes))


@pytest.mark.parametrize("queued", [0, 3, 8, 12])
def test_priorities_and_places_are_those_of_one_after_the_other(user, other_user, queued):
    JobFactory(user=user, status=Status.RUNNING)
    JobFactory.create_batch(queued, user=user)
    JobFactory.create_batch(queued, user=other_user)
    requests = [asked(prompt=f"clip {n}") for n in range(4)]
    together = services.submit_many(user, requests)
    alone = [services.submit(other_user, request) for request in requests]
    assert [job.priority for job in together] == [job.priority for job in alone]
    found = Job.objects.filter(pk__in=[job.pk for job in together]).order_by("queued_at")
    assert [job.render_request.prompt for job in found] == [request.prompt for request in requests]
    assert len({job.queued_at for job in found}) == 4


def test_each_has_its_seed_and_its_message_and_their_owner_hears_once(user, monkeypatch):
    heard, publish = [], events.publish
    monkeypatch.setattr(events, "publish", lambda *ids: (heard.append(ids), publish(*ids)))
    jobs = services.submit_many(user, [asked(seed=5), asked(), asked()])
    assert jobs[0].seed == 5
    assert len({job.seed for job in jobs}) == 3
    assert broker.standing_messages() == {(str(job.pk), 1) for job in jobs}
    assert heard == [(user.pk, *(job.pk for job in jobs))]


def test_if_not_all_fit_none_is_queued(user, settings):
    settings.MAX_ACTIVE_JOBS = 4
    JobFactory(user=user)
    with pytest.raises(TooManyJobs, match=r"At most 4 of your clips .* 1 do now"):
        services.submit_many(user, [asked()] * 4)
    assert Job.objects.count() == 1
    assert not broker.standing_messages()
    services.submit_many(user, [asked()] * 3)
    assert Job.objects.count() == 4


def test_if_one_prompt_is_blocked_none_is_queued(user):
    BlockedTerm.objects.create(term="toy gun")
    with pytest.raises(BlockedPrompt):
        services.submit_many(user, [asked(), asked(prompt="a toy gun")])
    assert not Job.objects.exists()
    assert not broker.standing_messages()


def test_where_one_can_no_longer_be_planned_none_is_queued(user):
    lost = replace(asked(), model="sd-9000")
    with pytest.raises(InvalidRequest, match="no longer in the catalogue"):
        services.submit_many(user, [asked(), lost, asked()])
    assert not Job.objects.exists()
    assert not broker.standing_messages()
