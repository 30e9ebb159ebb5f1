"""CLIP skip against diffusers' own, and against LoRAs of the layers that are left out."""

import pytest

TEXT = "a red circle"


@pytest.fixture
def opened(new_engine):
    def open_with(clip_skip):
        engine = new_engine(clip_skip=clip_skip)
        engine.load()
        return engine._pipeline

    return open_with


@pytest.mark.parametrize("clip_skip", [1, 2])
def test_prompts_are_encoded_as_diffusers_does_with_that_many_layers_less(opened, clip_skip):
    import torch
    from diffusers import AnimateDiffPipeline

    whole = opened(1)
    # diffusers asks for a level that transformers 5 has no more. Not as a module, which would contain itself.
    object.__setattr__(whole.text_encoder, "text_model", whole.text_encoder)
    with torch.no_grad():
        ours = opened(clip_skip).encode_prompt(TEXT, "cpu", 1, False)[0]
        skipped = None if clip_skip == 1 else clip_skip - 1
        theirs = AnimateDiffPipeline.encode_prompt(whole, TEXT, "cpu", 1, False, clip_skip=skipped)[0]
        plain = whole.encode_prompt(TEXT, "cpu", 1, False)[0]
    assert torch.equal(ours, theirs)
    assert torch.equal(ours, plain) is (clip_skip == 1)


def test_long_and_weighted_prompts_skip_the_layer_too(opened):
    import torch

    with torch.no_grad():
        one, two = (opened(skip).encode_prompt("a (red:1.2) circle " * 40, "cpu", 1, False)[0] for skip in (1, 2))
    assert one.shape == two.shape
    assert not torch.equal(one, two)


def test_more_layers_than_there_are_cannot_be_skipped(opened):
    with pytest.raises(ValueError, match="clip_skip 9 is not between 1 and"):
        opened(9)
