"""Properties of a job."""

from generation.requests.request import RenderRequest
from tests.factories import JobFactory, a_request


def test_the_stored_request_makes_the_same_clip_again():
    job = JobFactory.build(user=None, request=a_request(), seed=41)
    assert job.request["seed"] is None
    assert job.stored_request == {**job.request, "seed": 41}
    assert RenderRequest.from_dict(job.stored_request).seed == 41
