"""A clip one frame longer than the adapter's window, without FreeNoise: still one motion, judged on the tiny model."""

import numpy as np
import pytest

from workers.engines.animatediff.engine import AnimateDiffEngine
from workers.tiny.training.export import MODELS
from workers.tiny.world.judge import find_background, follow_object, prepare

pytestmark = pytest.mark.thorough

TRAINED = 17  # frames, of the tiny model
JUMP = 0.13  # of the short side; drawn clips and those within the window stay below


@pytest.mark.parametrize(
    ("prompt", "axis", "sign"),
    [("a red circle rising on black", 1, -1), ("a small blue star moving right on grey", 0, 1)],
)
def test_the_motion_goes_on_beyond_the_window(prompt, axis, sign):
    folders = (MODELS / "text-to-video", MODELS / "motion-adapter")
    engine = AnimateDiffEngine(*folders, device="cpu", context_length=TRAINED)
    clip = engine.generate(prompt, "", 64, 64, TRAINED + 1, 12, 3.5, 3, lambda *_: None)
    assert engine._window(TRAINED + 1) is None
    frames = prepare(clip, 8)
    assert np.isfinite(frames).all()
    track = follow_object(frames, find_background(frames))
    assert track is not None
    assert len(track.centres) == TRAINED + 1, "the object is lost on the way"
    assert track.radii.std() / track.radii.mean() < 0.1
    assert sign * (track.centres[-1] - track.centres[0])[axis] > 0.25, "the object hardly moves"
    steps = np.diff(track.centres, axis=0)
    assert np.abs(steps).max() < JUMP, "the object jumps"
    assert sign * steps[-1][axis] > -0.02, "the last frame turns back"
