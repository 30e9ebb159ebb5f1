"""Frames from latents, a few at a time."""

import gc

import numpy as np
import pytest
import torch

from tests import full_size_models as models
from workers.engines.animatediff.opening import load_model
from workers.engines.diffusion.decoding import decode
from workers.engines.files.source import Source

FRAMES = 10


@pytest.fixture(scope="module")
def vae(tmp_path_factory):
    from diffusers import AutoencoderKL

    folder = tmp_path_factory.mktemp("vae")
    models.write_vae(folder, models.SMALL, latent_channels=4)
    return load_model(AutoencoderKL, folder, torch.float32, Source("vae"))


@pytest.fixture
def latents():
    return torch.randn(1, 4, FRAMES, 4, 4, generator=torch.Generator().manual_seed(0))


def pictures_in_memory():
    tensors = [each for each in gc.get_objects() if type(each) is torch.Tensor]  # isinstance would wake lazy objects
    return sum(len(each) for each in tensors if each.dtype == torch.uint8)


@pytest.mark.parametrize("at_once", [1, 3, FRAMES, FRAMES + 1])
def test_all_frames_come_in_order_however_many_are_decoded_at_once(vae, latents, at_once):
    told = []
    clip = decode(vae, latents, "cpu", at_once, told.append)
    assert told == list(range(1, -(-FRAMES // at_once) + 1))
    one_by_one = [decode(vae, latents[:, :, index : index + 1], "cpu", 1, told.append) for index in range(FRAMES)]
    assert np.abs(clip.astype(int) - np.concatenate(one_by_one)).max() <= 1


def test_a_long_clip_is_in_memory_once(vae, latents):
    before = pictures_in_memory()
    most = 0

    def look(_done):
        nonlocal most
        most = max(most, pictures_in_memory() - before)

    decode(vae, latents, "cpu", 2, look)
    assert 0 < most <= 2 * 2  # a batch, and the tensor that shows its axes in another order
