"""A clip has every frame that was asked for, at its time, whatever rate and number of frames its model makes."""

import numpy as np
import pytest

from generation.domain import storage_keys
from generation.domain.states import Stage
from generation.requests import available
from generation.requests.request import InvalidRequest, parse
from tests.factories import JobFactory, a_request
from workers import frame_store, tasks

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def a_model_of_sixteen_frames(settings, tmp_path):
    """Give the bundled model the rule of Wan: 16 frames a second, 4k + 1 frames, sides of 16 pixels."""
    path = tmp_path / "rules.toml"
    rule = "native_fps = 16\nframe_multiple = 4\nframe_offset = 1\nside_multiple = 16\nmax_frames = 33\n"
    path.write_text(f"[models.tiny]\n{rule}")
    settings.CATALOGUE_FILE = str(path)
    settings.FILM = "torch"


def generated(user, **changes):
    """Return a job, and the frames of its only chunk after generation."""
    asked = {"size": "128x128", "seconds": 1, "steps": 2, **changes}
    job = JobFactory(user=user, seed=7, request=a_request(**asked))
    tasks.preprocess(str(job.pk), 1, 0)
    tasks.generate(str(job.pk), 1, 0)
    return job, chunk_of(job, Stage.GENERATE)


def chunk_of(job, stage):
    return frame_store.read_chunk(storage_keys.chunk(job.pk, stage, 0))


def test_surplus_frames_are_dropped_and_none_is_missing(user):
    job, frames = generated(user, fps=16)
    assert job.render_plan.base_frames == 17
    assert len(frames) == 16


def test_at_half_the_models_rate_every_other_frame_is_kept(user):
    _job, frames = generated(user, fps=16)
    _job, half = generated(user, fps=8)
    assert np.array_equal(half, frames[::2])


def test_between_two_rates_frames_are_interpolated_and_dropped_evenly(user):
    job, base = generated(user, fps=24)
    assert (len(base), job.render_plan.rate) == (17, 32)
    tasks.interpolate(str(job.pk), 1, 0)
    frames = chunk_of(job, Stage.INTERPOLATE)
    assert len(frames) == 24
    # Of four made frames the last is dropped, so of three kept ones, the first and the third are the model's own.
    assert np.array_equal(frames[0::3], base[0:16:2])
    assert np.array_equal(frames[2::3], base[1:16:2])


def test_sides_are_what_the_network_can_make(user):
    _job, frames = generated(user, fps=16, size="136x128")
    assert frames.shape[1:3] == (64, 80)


def test_a_clip_that_is_too_long_for_the_model_is_refused_with_its_limit():
    with pytest.raises(InvalidRequest) as refused:
        parse(a_request(seconds=3, fps=16), available.catalogue(), available.limits())
    assert [str(text) for text in refused.value.errors["seconds"]] == [
        "Tiny world makes at most 2 seconds at this frame rate."
    ]
