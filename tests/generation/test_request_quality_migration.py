"""The data migration from `preset` to `quality`, forwards and backwards."""

from importlib import import_module

import pytest
from django.apps import apps

from generation.models import Job, Preset
from generation.requests.request import RenderRequest
from tests.factories import JobFactory, PresetFactory, a_request

pytestmark = pytest.mark.django_db


def old_request(**changes) -> dict:
    """Return a request as stored before `preset` became `quality`."""
    stored = a_request(**changes)
    return {**{name: value for name, value in stored.items() if name != "quality"}, "preset": stored["quality"]}


@pytest.fixture
def quality():
    return import_module("generation.migrations.0006_request_quality")


def test_stored_requests_say_quality_and_can_go_back(quality, monkeypatch):
    monkeypatch.setattr(quality, "ROWS", 2)
    stored = [old_request(prompt=f"clip {n}", quality="draft" if n % 2 else "") for n in range(5)]
    jobs = [JobFactory(request=request) for request in stored]
    untouched = JobFactory(request={"prompt": "by hand"})
    odd = [JobFactory(), JobFactory(), JobFactory()]
    for job, request in zip(odd, ("preset", ["preset", "quality"], "quality"), strict=True):
        Job.objects.filter(pk=job.pk).update(request=request)  # JSON holds more than objects
    preset = PresetFactory(settings={"fps": 8, "preset": "mine"})
    quality.to_quality(apps, None)
    for job, request in zip(jobs, stored, strict=True):
        found = Job.objects.get(pk=job.pk).request
        assert found == {**{k: v for k, v in request.items() if k != "preset"}, "quality": request["preset"]}
        assert RenderRequest.from_dict(found) == RenderRequest.from_dict(request)
    assert Preset.objects.get(pk=preset.pk).settings == {"fps": 8, "quality": "mine"}
    assert Job.objects.get(pk=untouched.pk).request == {"prompt": "by hand"}
    assert [Job.objects.get(pk=job.pk).request for job in odd] == ["preset", ["preset", "quality"], "quality"]
    quality.to_preset(apps, None)
    assert [Job.objects.get(pk=job.pk).request for job in jobs] == stored
    assert Preset.objects.get(pk=preset.pk).settings == {"fps": 8, "preset": "mine"}


def test_rows_are_migrated_in_chunks(quality, monkeypatch, django_assert_max_num_queries):
    monkeypatch.setattr(quality, "ROWS", 10)
    JobFactory.create_batch(30, request=old_request())
    with django_assert_max_num_queries(24):
        quality.to_quality(apps, None)
    assert not Job.objects.filter(request__has_key="preset").exists()
    assert Job.objects.filter(request__has_key="quality").count() == 30
