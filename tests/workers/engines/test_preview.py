import numpy as np
import pytest
import torch

from generation.catalogue.load import load_catalogue
from tests import full_size_models as models
from workers.engines.files.source import Source
from workers.engines.files.weights import load_model
from workers.engines.preview import MAX_SIDE, LatentPreview, _draw
from workers.tiny.world.scenes import draw, sample_scene


@pytest.fixture(scope="module", params=[4, 8])
def vae(request, tmp_path_factory):
    from diffusers import AutoencoderKL

    folder = tmp_path_factory.mktemp("vae")
    models.write_vae(folder, models.SMALL, latent_channels=request.param)
    return load_model(AutoencoderKL, folder, torch.float32, Source("vae"))


def test_the_preview_resembles_what_the_decoder_shows(vae):
    with torch.no_grad():
        latents = vae.encode(torch.from_numpy(_draw(64))[:5]).latent_dist.mode()
        decoded = vae.decode(latents).sample.clamp(-1, 1)
    shown = LatentPreview(vae)(latents.movedim(0, 1)[None] * vae.config.scaling_factor)
    assert shown.shape == (5, 64, 64, 3)
    alike = np.corrcoef(shown.reshape(5, -1), decoded.movedim(1, -1).reshape(5, -1))[:5, 5:]
    assert alike.argmax(axis=1).tolist() == [0, 1, 2, 3, 4]  # even with random weights
    assert np.diag(alike).mean() > 0.3


def test_the_preview_of_the_model_that_ships_is_close_to_its_frames():
    """On scenes it was not fitted to, it is closer than a frame's mean colour (about 15 dB)."""
    from diffusers import AutoencoderKL

    shipped = load_catalogue().models["tiny"].path("")
    vae = load_model(AutoencoderKL, shipped / "vae", torch.float32, Source("tiny"))
    random = np.random.default_rng(5)
    frames = np.concatenate([draw(sample_scene(random), np.array([0.5]), 64, 64) for _ in range(12)])
    with torch.no_grad():
        latents = vae.encode(torch.from_numpy(frames).movedim(-1, 1) / 127.5 - 1).latent_dist.mode()
        decoded = ((vae.decode(latents).sample.clamp(-1, 1) + 1) * 127.5).movedim(1, -1).numpy()
    shown = LatentPreview(vae)(latents.movedim(0, 1)[None] * vae.config.scaling_factor)
    errors = ((shown - decoded) ** 2).mean(axis=(1, 2, 3))
    assert 10 * np.log10(255**2 / errors).mean() > 16.5


@pytest.mark.parametrize(
    ("latents", "shown"), [((8, 8), (64, 64)), ((64, 64), (128, 128)), ((5, 40), (10, 80)), ((9, 160), (9, 160))]
)
def test_the_preview_is_small_whatever_the_clip(vae, latents, shown):
    frames = LatentPreview(vae)(torch.randn(1, vae.config.latent_channels, 3, *latents))
    assert (frames.shape, frames.dtype) == ((3, *shown, 3), np.uint8)
    assert max(frames.shape[1:3]) <= max(MAX_SIDE, *latents)


def test_latents_that_are_no_numbers_still_give_a_picture(vae):
    frames = LatentPreview(vae)(torch.full((1, vae.config.latent_channels, 1, 4, 4), torch.nan))
    assert set(frames.ravel()) == {128}


def test_fitting_leaves_the_random_numbers_of_others_alone(vae):
    torch.manual_seed(1)
    LatentPreview(vae)(torch.zeros(1, vae.config.latent_channels, 1, 4, 4))
    after = torch.rand(1)
    torch.manual_seed(1)
    assert torch.equal(after, torch.rand(1))


class Offloaded:
    """A decoder as diffusers' model offload shows it: in main memory between the calls, on the card during one."""

    def __init__(self, vae):
        self.vae, self.config, self.dtype, self.device = vae, vae.config, vae.dtype, torch.device("cpu")

    def __getattr__(self, name):
        return getattr(self.vae, name)


def test_fitting_under_offload_computes_where_the_weights_will_be():
    """torch's fake tensors check the device of every operation, without a card."""
    from diffusers import AutoencoderKL
    from torch._subclasses.fake_tensor import FakeTensorMode

    with FakeTensorMode():
        with torch.device("cuda"):
            vae = Offloaded(AutoencoderKL(block_out_channels=(8, 8), norm_num_groups=4, layers_per_block=1,
                down_block_types=["DownEncoderBlock2D"] * 2, up_block_types=["UpDecoderBlock2D"] * 2))  # fmt: skip
        with pytest.raises(RuntimeError, match=r"cuda.*cpu|cpu.*cuda"):
            LatentPreview(vae)
        LatentPreview(vae, "cuda")
