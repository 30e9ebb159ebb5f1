"""What the text encoder made of a prompt is used again by clips with the same one."""

import gc
import weakref

import numpy as np
import pytest

from workers.engines.diffusion import prompts


def make(engine, prompt="a red heart", frames=3, guidance=5.0, seed=7, **options):
    return engine.generate(prompt, "blurry", 64, 48, frames, 1, guidance, seed, lambda *_step: None, **options)


def count_encodings(engine):
    engine.load()
    calls = []
    engine._pipeline.text_encoder.register_forward_hook(lambda *_call: calls.append(1))
    return calls


@pytest.mark.parametrize("frames", [3, 19])
def test_clips_with_the_same_prompts_share_what_the_text_encoder_made(new_engine, frames):
    """As in a batch: of any seed and size, and with FreeNoise."""
    engine = new_engine()
    calls = count_encodings(engine)
    make(engine, frames=frames)
    once = len(calls)
    assert once
    again = make(engine, seed=8, frames=frames)
    assert len(calls) == once
    assert np.array_equal(again, make(new_engine(), seed=8, frames=frames))
    make(engine, prompt="a blue cube", frames=frames)
    assert len(calls) > once


def test_other_loras_have_their_prompts_encoded_again(new_engine, small):
    engine = new_engine()
    calls = count_encodings(engine)
    make(engine)
    once = len(calls)
    make(engine, loras=[(small.spatial_lora, 1.0)])
    assert len(calls) == 2 * once


def test_only_so_many_prompts_are_kept_and_none_longer_than_the_engine(new_engine, monkeypatch):
    monkeypatch.setattr(prompts, "MOST", 2)
    engine = new_engine()
    calls = count_encodings(engine)
    for text in ("one", "two", "three", "three", "one"):
        make(engine, prompt=text, guidance=1.0)
    assert len(calls) == 4, "the first was forgotten"
    kept = weakref.ref(engine._prompts)
    engine.release()
    gc.collect()
    assert kept() is None
