"""What a job's page says of its prompts, and what its engine is given of them."""

import numpy as np
import pytest

from generation.domain import storage_keys
from generation.domain.states import Stage
from generation.models import Job
from generation.queue import services
from generation.requests.request import RenderRequest
from tests.factories import a_request
from workers import frame_store, stages, tasks

pytestmark = pytest.mark.django_db(transaction=True)


def submitted(user, **changes):
    asked = {"size": "128x128", "seconds": 1, "fps": 8, "steps": 8, **changes}
    return services.submit(user, RenderRequest.from_dict(a_request(**asked)))


def blue_frames(job):
    """Return for each frame whether what is colourful in it is rather blue than red."""
    frames = frame_store.read_chunk(storage_keys.chunk(job.pk, Stage.GENERATE, 0)).astype(float)
    colourful = frames.max(axis=-1) - frames.min(axis=-1) > 60
    means = [frame[mask].mean(axis=0) for frame, mask in zip(frames, colourful, strict=True)]
    return np.array([blue > red for red, _green, blue in means])


def test_a_clip_of_the_site_changes_its_colour_at_the_time_that_its_prompt_names(user):
    """From the request to the frames in storage, which the clip shows as they are at 8 frames a second."""
    red, blue = "a large red circle on black", "a large blue circle on black"
    job = submitted(user, prompt=f"0: {red} | 0.5s: {red} | 5: {blue}", seed=3)
    tasks.preprocess(str(job.pk), 1, 0)
    tasks.generate(str(job.pk), 1, 0)
    is_blue = blue_frames(job)
    assert len(is_blue) == 8
    assert not is_blue[:5].any()
    assert is_blue[6:].all()
    assert Job.objects.get().warnings == []


def test_the_page_of_a_clip_tells_what_had_no_effect(user):
    job = submitted(user, prompt="a red heart rising on black <lora:ink:1>", negative_prompt="a (circle")
    tasks.preprocess(str(job.pk), 1, 0)
    job.refresh_from_db()
    assert [warning["id"] for warning in job.warnings] == ["lora-tag", "bracket-alone"]


def test_long_prompts_are_read_to_their_end(user):
    request = RenderRequest.from_dict(a_request(prompt="a red heart rising on black " * 20, negative_prompt="a " * 400))
    assert stages._warnings(request) == []


def test_drawings_are_what_is_rendered(user):
    job = submitted(user, prompt="a large {red|blue} circle on black", seed=3, steps=4)
    tasks.preprocess(str(job.pk), 1, 0)
    tasks.generate(str(job.pk), 1, 0)
    assert blue_frames(job).all() == ("blue" in job.request["prompt"])
