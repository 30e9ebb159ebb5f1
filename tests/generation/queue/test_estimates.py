"""What a clip will take, by what others took that were larger or smaller."""

from dataclasses import replace
from datetime import timedelta

import pytest
from django.utils import timezone

from generation.domain.plan import plan
from generation.domain.states import Stage, Status
from generation.models import StageRun
from generation.queue import estimates
from generation.requests import available
from tests.factories import JobFactory

pytestmark = pytest.mark.django_db

# Operations of a pass, in 10^12, counted on a card on paper (tests/rigs/paper_card/families): side, frames.
WAN = {(256, 81): 19.43, (512, 81): 141.2}
CLIPS = [(256, 512), (512, 256)]


def clip_of(model, side, frames):
    """Return the request and the plan of a square clip as the model makes it."""
    entry = available.catalogue().models[model]
    asked = replace(
        JobFactory().render_request, model=model, width=side, height=side, steps=20, guidance=5.0, motion_adapter=""
    )
    made = plan(asked, entry)
    return asked, replace(made, base_width=side, base_height=side, base_frames=frames)


def it_took(seconds, asked, made):
    """Add a clip to the history."""
    now = timezone.now()
    job = JobFactory(status=Status.DONE, request=asked.to_dict())
    StageRun.objects.create(
        job=job, run=1, stage=Stage.GENERATE, status="done", worker="w",
        cost=estimates.cost(Stage.GENERATE, 0, made, asked),
        started_at=now - timedelta(seconds=seconds), heartbeat_at=now, ended_at=now,
    )  # fmt: skip


@pytest.mark.parametrize("known, other", CLIPS)
def test_clips_of_one_size_tell_within_a_fifth_how_long_another_takes(known, other):
    model, frames = "wan2-1-t2v-1-3b", 81
    it_took(10 * WAN[known, frames], *clip_of(model, known, frames))
    asked, made = clip_of(model, other, frames)
    assert estimates.seconds(Stage.GENERATE, 0, made, asked) == pytest.approx(10 * WAN[other, frames], rel=0.2)


def test_what_sees_one_frame_at_a_time_costs_as_much_as_it_has_pixels():
    costs = [estimates.cost(Stage.GENERATE, 0, *reversed(clip_of("tiny", 64, frames))) for frames in (9, 18)]
    assert costs[1] == pytest.approx(2 * costs[0])
