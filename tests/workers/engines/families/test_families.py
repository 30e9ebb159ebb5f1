"""Each family of models through one engine, against a plain call of its pipeline."""

import numpy as np
import pytest

from generation.domain.errors import Cancelled, Paused
from tests.workers.engines.families.conftest import FAMILIES
from workers.engines.families.engine import DECODING
from workers.engines.memory import Rung

STEPS = 3
ASKED = {"prompt": "a red circle", "negative_prompt": "blurry", "steps": STEPS, "guidance": 3.0, "seed": 7}


def quiet(_done, _total, _preview):
    """Report nothing."""


def size_of(family):
    """Return a small clip that a family can make, not square, to tell width from height."""
    side = family.rule.side_multiple
    return {"width": side * 3, "height": side * 2, "frames": family.rule.multiple + family.rule.offset}


def make(engine, family, on_step=quiet, **changes):
    return engine.generate(**{**ASKED, **size_of(family), "on_step": on_step, **changes})


def plain_call(folder, family, guidance=3.0, **parts):
    """Return the frames of the pipeline as diffusers' own documentation calls it, uint8 [F, H, W, 3].

    Args:
        parts: of the pipeline, in place of those in its folder.
    """
    import diffusers
    import torch

    pipeline = getattr(diffusers, family.pipeline).from_pretrained(str(folder), local_files_only=True, **parts)
    pipeline.set_progress_bar_config(disable=True)
    if "guider" in pipeline.components:
        pipeline.guider = pipeline.guider.new(guidance_scale=guidance)
        scale = {}
    else:
        scale = {"guidance_scale": guidance}
    size = size_of(family)
    made = pipeline(
        prompt=ASKED["prompt"],
        negative_prompt=ASKED["negative_prompt"],
        num_inference_steps=STEPS,
        generator=torch.Generator("cpu").manual_seed(ASKED["seed"]),
        output_type="np",
        width=size["width"],
        height=size["height"],
        num_frames=size["frames"],
        **scale,
        **family.plain,
        **family.call,
    ).frames[0]
    return (np.asarray(made) * 255).round().astype(np.uint8)


def test_frames_are_those_of_the_plain_call_bit_for_bit(every_family, new_engine, small_folder):
    family = every_family
    frames = make(new_engine(family), family)
    size = size_of(family)
    assert frames.shape == (size["frames"], size["height"], size["width"], 3)
    assert frames.dtype == np.uint8
    assert frames.std() > 1, "random weights draw something"
    assert np.array_equal(frames, plain_call(small_folder(family), family))


def test_the_same_call_gives_the_same_bytes_and_another_seed_others(family, new_engine):
    engine = new_engine(family)
    first = make(engine, family)
    assert np.array_equal(first, make(engine, family))
    assert not np.array_equal(first, make(engine, family, seed=8))


def test_every_step_is_reported_with_a_preview_and_so_is_decoding(family, new_engine):
    heard = []

    def on_step(done, total, preview):
        heard.append((done, total, preview and preview()))

    assert np.array_equal(make(new_engine(family), family, on_step), make(new_engine(family), family))
    done, totals = [one[0] for one in heard], {one[1] for one in heard}
    assert done[: STEPS + 1] == list(range(STEPS + 1))
    assert done == sorted(done)
    assert (len(totals), done[-1]) == (1, totals.pop()), "it ends with everything done"
    previews = [one[2] for one in heard[1 : STEPS + 1]]
    size = size_of(family)
    for preview in previews:
        assert preview.dtype == np.uint8
        assert preview.shape[0] == family.latent_frames
        assert preview.shape[1] * size["width"] == preview.shape[2] * size["height"]


@pytest.mark.parametrize("tiled", [False, True])
def test_decoding_counts_as_a_few_steps_however_a_family_does_it(family, new_engine, tiled):
    heard = []
    engine = new_engine(family)
    engine.load()
    if tiled and hasattr(engine._pipeline.vae, "tile_sample_stride_height"):
        tiles = {"tile_sample_min_height": 64, "tile_sample_min_width": 64}
        strides = {"tile_sample_stride_height": 32, "tile_sample_stride_width": 32}
        engine._pipeline.vae.enable_tiling(**tiles, **strides)
        engine.rungs = (Rung("tiles", decode_frames=0, tile_vae=True),)
    frames = family.rule.offset + 8 * family.rule.multiple
    make(engine, family, lambda done, total, _preview: heard.append((done, total)), width=128, height=96, frames=frames)
    assert {total for _done, total in heard} == {STEPS + DECODING}
    decoding = [done - STEPS for done, _total in heard[STEPS + 1 :]]
    assert decoding == sorted(decoding)
    assert (decoding[0], decoding[-1]) == (0, DECODING)
    if len(decoding) > 2 * DECODING:
        assert set(decoding) == set(range(DECODING + 1)), "where it is done in many parts, they move the bar"


def test_a_clip_ends_within_the_step_at_which_it_is_cancelled(family, new_engine):
    heard = []

    def on_step(done, _total, _preview):
        heard.append(done)
        if done == 1:
            raise Cancelled

    engine = new_engine(family)
    with pytest.raises(Cancelled):
        make(engine, family, on_step)
    assert heard == [0, 1]
    assert make(engine, family).any(), "and the engine serves the next clip"


@pytest.mark.parametrize("step", [0, 1, STEPS])
def test_a_paused_clip_goes_on_in_another_process_bit_for_bit(family, new_engine, step):
    whole = make(new_engine(family), family)

    def stop(done, _total, _preview):
        if done == step:
            raise Paused

    with pytest.raises(Paused) as caught:
        make(new_engine(family), family, stop)
    heard = []
    engine = new_engine(family)
    made = make(engine, family, lambda done, *_rest: heard.append(done), checkpoint=caught.value.checkpoint)
    assert np.array_equal(made, whole)
    assert heard[0] == step, "what was done is not done again"
    assert heard.count(step) == (2 if step == STEPS else 1)


def test_a_pause_while_decoding_leaves_only_decoding(new_engine):
    family = FAMILIES[0]
    whole = make(new_engine(family), family)
    reached = []

    def stop(done, total, _preview):
        reached.append(done)
        if reached.count(STEPS) == 2:  # the last step, then the decoder's first call
            raise Paused

    with pytest.raises(Paused) as caught:
        make(new_engine(family), family, stop)
    heard = []
    made = make(new_engine(family), family, lambda done, *_: heard.append(done), checkpoint=caught.value.checkpoint)
    assert heard[0] == STEPS
    assert np.array_equal(made, whole)


def test_the_checkpoint_of_another_prompt_is_not_used(new_engine):
    family = FAMILIES[0]

    def stop(done, _total, _preview):
        if done == 1:
            raise Paused

    with pytest.raises(Paused) as caught:
        make(new_engine(family), family, stop, prompt="a blue star")
    made = make(new_engine(family), family, checkpoint=caught.value.checkpoint)
    assert np.array_equal(made, make(new_engine(family), family))


def test_without_guidance_the_negative_prompt_has_no_effect(family, new_engine):
    engine = new_engine(family)
    made = make(engine, family, guidance=1.0)
    assert np.array_equal(made, make(engine, family, guidance=1.0, negative_prompt="the sea"))
    assert not np.array_equal(made, make(engine, family))


@pytest.mark.parametrize("change", [{"frames": 6}, {"width": 40}, {"frames": 81}, {"steps": 0}])
def test_what_the_network_cannot_make_is_refused_instead_of_rounded(new_engine, change):
    from dataclasses import replace

    family = replace(FAMILIES[0], rule=replace(FAMILIES[0].rule, most=77))
    with pytest.raises(ValueError, match=r"frames|multiples"):
        make(new_engine(family), family, **change)


@pytest.mark.thorough
def test_a_draft_and_the_full_clip_of_a_seed_are_alike(family, new_engine):
    """Both begin with the same noise, so a draft with fewer steps shows what the full clip will be.

    Less so with a solver that adds noise at each step.
    """
    engine = new_engine(family)
    full = make(engine, family, steps=4).astype(float)
    draft, stranger = (make(engine, family, steps=2, seed=seed).astype(float) for seed in (ASKED["seed"], 8))
    assert np.abs(draft - full).mean() < 0.9 * np.abs(stranger - full).mean()


def test_a_solver_that_cannot_be_stored_fails_no_clip(new_engine, monkeypatch, caplog):
    """Only retries and pauses need it; then the clip begins again."""
    from diffusers import UniPCMultistepScheduler

    whole = make(new_engine(FAMILIES[0]), FAMILIES[0])
    monkeypatch.setattr(UniPCMultistepScheduler, "set_begin_index", lambda self, index=0: vars(self).update(odd={1: 2}))
    assert np.array_equal(make(new_engine(FAMILIES[0]), FAMILIES[0]), whole)
    assert "cannot be kept: scheduler.odd is a dict" in caplog.text
