"""If the catalogue is edited during rendering, a job continues as planned or reports what is missing."""

import numpy as np
import pytest
from celery.exceptions import Ignore

from generation.domain import storage_keys
from generation.domain.states import RunStatus, Stage, Status
from generation.models import Job, StageRun
from generation.queue import services
from generation.requests import available
from tests.factories import JobFactory, a_request
from workers import frame_store, tasks

pytestmark = pytest.mark.django_db(transaction=True)

# stage -> the error of a job whose model is gone; the last one needs no model and lacks only its frames
GONE = {
    tasks.preprocess: "request-invalid",
    tasks.generate: "model-missing",
    tasks.interpolate: "model-missing",
    tasks.upscale: "model-missing",
    tasks.assemble: "frames-missing",
}


def test_a_clip_is_generated_as_planned_although_the_catalogue_was_edited(user, edited_catalogue):
    """With the bundled model, frames have the planned size, number and chunks."""
    job = JobFactory(user=user, request=a_request(size="128x128", seconds=2, fps=8, steps=2))
    planned = job.render_plan
    tasks.preprocess(str(job.pk), 1, 0)
    edited_catalogue()
    assert available.plan_for(job.render_request) != planned
    tasks.generate(str(job.pk), 1, 0)
    assert StageRun.objects.get(stage=Stage.GENERATE).output == {"frames": planned.base_frames}
    for chunk in planned.chunks:
        clip = frame_store.read_chunk(storage_keys.chunk(job.pk, Stage.GENERATE, chunk.index))
        assert clip.shape == (chunk.stop - chunk.start, planned.base_height, planned.base_width, 3)


@pytest.mark.parametrize(("task", "error"), GONE.items(), ids=[task.name for task in GONE])
def test_a_stage_whose_model_left_the_catalogue_fails_with_a_sentence(user, task, error):
    """The plan is stored, so the job can be claimed and report what is missing."""
    job = JobFactory(user=user)
    Job.objects.update(request={**job.request, "model": "gone", "motion_adapter": "gone-too"})
    chunk = job.render_plan.chunks[0]
    for before in (Stage.GENERATE, Stage.INTERPOLATE):
        frames = np.zeros((chunk.frames, 8, 8, 3), "uint8")
        frame_store.write_chunk(job.pk, before, 0, frames, 8)
    with pytest.raises(Ignore):
        task(str(job.pk), 1, 0)
    assert StageRun.objects.get().status == RunStatus.FAILED
    job.refresh_from_db()
    assert (job.status, job.error_id) == (Status.FAILED, error)


def test_a_retry_goes_on_with_the_plan_of_before(user, edited_catalogue):
    job = JobFactory(user=user, status=Status.FAILED)
    planned = job.render_plan
    edited_catalogue()
    assert services.retry(job)
    job.refresh_from_db()
    assert job.render_plan == planned
