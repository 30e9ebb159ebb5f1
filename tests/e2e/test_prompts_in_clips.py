"""What prompts say of time and of choices, judged on finished clips: interpolated, upscaled and encoded."""

import json

import av
import numpy as np
import pytest

pytestmark = [pytest.mark.e2e, pytest.mark.renders, pytest.mark.thorough]

RED, BLUE = "a large red circle on black", "a large blue circle on black"


def clips(site, tmp_path, *rows):
    """Render rows with the batch command; return the frames of each, `[F, H, W, 3]` in 0..255."""
    prompts, output = tmp_path / "rows.jsonl", tmp_path / "out"
    prompts.write_text("\n".join(json.dumps(row) for row in rows))
    person = site.make_user(f"p{abs(hash(tmp_path)) % 10**9}")
    done = site.manage("batch", str(prompts), "--user", person, "--wait", "--output", str(output))
    assert done.returncode == 0, done.stdout + done.stderr
    return [decoded(file) for file in sorted(output.glob("*.mp4"))]


def decoded(file):
    with av.open(file) as container:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]).astype(float)


def colours(clip):
    """Return the mean colour of what is colourful in each frame, `[F, 3]`."""
    colourful = clip.max(axis=-1) - clip.min(axis=-1) > 60
    return np.stack([frame[mask].mean(axis=0) for frame, mask in zip(clip, colourful, strict=True)])


def test_a_prompt_changes_the_colour_of_the_finished_clip_at_the_time_that_it_names(site, tmp_path):
    prompt = f"0s: {RED} | 1s: {RED} | 1.25s: {BLUE}"
    (clip,) = clips(site, tmp_path, {"prompt": prompt, "seed": 7, "seconds": 2, "fps": 24, "size": "256x256"})
    assert len(clip) == 48
    found = colours(clip)
    red, blue = found[:, 0] > 2 * found[:, 2], found[:, 2] > 2 * found[:, 0]
    assert red[:24].all(), "until one second"
    assert blue[33:].all(), "from 1.25 seconds on, and a base frame later at most"


def test_a_choice_is_drawn_for_each_clip(site, tmp_path):
    rows = [{"prompt": "a large {red|blue} circle on black", "seed": seed, "size": "128x128"} for seed in (1, 2)]
    first, second = (colours(clip).mean(axis=0) for clip in clips(site, tmp_path, *rows))
    assert {first[0] > 2 * first[2], second[0] > 2 * second[2]} == {True, False}
    assert {first[2] > 2 * first[0], second[2] > 2 * second[0]} == {True, False}
