import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file

from workers.engines.realesrgan import RealEsrganEngine
from workers.tiny.networks.esrgan import (
    CompactUpscaler,
    DetailUpscaler,
    bicubic_taps,
    save_checkpoint,
    start_x2_from_x4,
    to_compact,
)
from workers.tiny.training import esrgan_data, evaluate_esrgan, train_esrgan
from workers.tiny.training.esrgan_data import KINDS, Pairs, cut_batch, enlarge_bicubic, make_pair, psnr, shrink
from workers.tiny.training.train_esrgan import Trainer, checkpoint_path, train
from workers.tiny.world import pictures

pytestmark = pytest.mark.thorough

SCALES = [4, 2]


@pytest.fixture(autouse=True)
def _one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def shipped():
    """Return the engine with the bundled checkpoints."""
    return RealEsrganEngine({scale: checkpoint_path(scale) for scale in SCALES}, device="cpu")


@pytest.fixture(scope="module")
def pairs():
    """Return a few training pairs, with every kind of ordinary image drawn at random."""
    drawn = [make_pair(np.random.default_rng([5, index])) for index in range(12)]
    small = {scale: np.stack([pair[1][scale] for pair in drawn]) for scale in SCALES}
    return Pairs(np.stack([pair[0] for pair in drawn]), small, np.array([pair[2] for pair in drawn]))


def as_tensor(picture):
    return torch.from_numpy(picture.copy()).permute(2, 0, 1)[None].float() / 255


# The weights that ship -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scale", SCALES)
def test_the_shipped_checkpoint_is_small_half_precision_and_a_compact_network(scale):
    from spandrel import ModelLoader

    path = checkpoint_path(scale)
    assert path.stat().st_size < 2**20
    with safe_open(path, "pt") as file:
        assert {file.get_slice(name).get_dtype() for name in file.keys()} == {"F16"}  # noqa: SIM118 - not a mapping
    descriptor = ModelLoader().load_from_file(path)
    assert (descriptor.architecture.id, descriptor.scale) == ("Compact", scale)


def test_frames_of_the_world_gain_at_least_one_and_a_half_decibels_over_bicubic(shipped):
    for kind in (evaluate_esrgan.WORLD_KIND, evaluate_esrgan.DRAWN_SMALL_KIND):
        assert evaluate_esrgan.measure(shipped, kind, 4, 8).mean >= 1.5
        assert evaluate_esrgan.measure(shipped, kind, 2, 6).mean >= 1.5


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("kind", [*pictures.UNSEEN, *pictures.TRAINED])
def test_ordinary_pictures_are_never_worse_than_bicubic(shipped, kind, scale):
    assert evaluate_esrgan.measure(shipped, kind, scale, 4).mean >= 0


@pytest.mark.parametrize("factor", [2, 4, 8])
def test_flat_colours_stay_exactly_what_they_are(shipped, factor):
    assert evaluate_esrgan.flat_error(shipped, factor, 8) == 0


@pytest.mark.parametrize("scale", SCALES)
def test_colours_are_not_shifted(shipped, scale):
    frames = np.stack([pictures.leaves(np.random.default_rng([8, index]), 64) for index in range(4)])
    shift = shipped.upscale(frames, scale).mean(axis=(1, 2)) - frames.mean(axis=(1, 2))
    assert np.abs(shift).max() < 0.5


def test_what_is_measured_is_worse_when_the_network_is(shipped, tmp_path):
    untrained = to_compact(DetailUpscaler(4))
    save_checkpoint(untrained.state_dict(), checkpoint_path(4, tmp_path))
    bicubic = RealEsrganEngine({4: checkpoint_path(4, tmp_path)}, device="cpu")
    kind = evaluate_esrgan.WORLD_KIND
    assert abs(evaluate_esrgan.measure(bicubic, kind, 4, 3).mean) < 0.3
    assert evaluate_esrgan.measure(shipped, kind, 4, 3).mean > 1


# The network ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scale", SCALES)
def test_the_untrained_network_is_bicubic_enlargement(scale):
    field = pictures.noise(np.random.default_rng(2), 64) // 4 + 96  # far from 0 and 255: Pillow clips between passes
    with torch.inference_mode():
        large = (to_compact(DetailUpscaler(scale))(as_tensor(field))[0].permute(1, 2, 0).numpy() * 255).round()
    inner = np.s_[4 * scale : -4 * scale, 4 * scale : -4 * scale]
    assert np.abs(large - enlarge_bicubic(field, scale))[inner].max() <= 1


def test_bicubic_taps_add_up_to_one_and_mirror_each_other():
    for scale in SCALES:
        taps = bicubic_taps(scale)
        np.testing.assert_allclose(taps.sum(axis=1), 1)
        np.testing.assert_allclose(taps, taps[::-1, ::-1], atol=1e-12)


@pytest.fixture
def detail():
    """Return a network with random details."""
    torch.manual_seed(3)
    model = DetailUpscaler(4)
    torch.nn.init.normal_(model.body[-1].weight, std=0.05)
    return model.requires_grad_(False)


def bicubic(model, small):
    silent = DetailUpscaler(model.scale)
    with torch.inference_mode():
        return silent(small)


def test_the_published_layout_computes_the_same(detail):
    small = torch.rand(2, 3, 40, 36)
    inner = np.s_[..., 56:-56, 56:-56]
    assert (detail(small) - bicubic(detail, small)).std() > 0.01
    torch.testing.assert_close(to_compact(detail)(small)[inner], detail(small)[inner], atol=1e-5, rtol=0)


def test_half_the_contrast_gives_half_the_detail(detail):
    small = torch.rand(1, 3, 32, 32) / 2
    inner = np.s_[..., 56:-56, 56:-56]
    whole, half = (detail(picture) - bicubic(detail, picture) for picture in (small, 0.4 + small / 2))
    torch.testing.assert_close(half[inner], whole[inner] / 2, atol=1e-6, rtol=0)


def test_flat_and_evenly_sloping_pictures_get_no_details(detail):
    inner = np.s_[..., 56:-56, 56:-56]
    ramp = torch.linspace(0.2, 0.7, 32)
    for small in (torch.full((32, 32), 0.3), ramp.expand(32, 32), ramp[:, None] + ramp / 3):
        small = small.expand(1, 3, 32, 32)
        torch.testing.assert_close(detail(small)[inner], bicubic(detail, small)[inner], atol=1e-5, rtol=0)


def test_two_times_begins_with_the_average_of_the_details_of_four_times(detail):
    two = DetailUpscaler(2).requires_grad_(False)
    start_x2_from_x4(two, detail)
    small = torch.rand(2, 3, 9, 11)
    expected = torch.nn.functional.avg_pool2d(detail(small) - bicubic(detail, small), 2)
    torch.testing.assert_close(two(small) - bicubic(two, small), expected, atol=1e-6, rtol=0)


def test_an_output_pixel_depends_on_nothing_beyond_the_receptive_radius():
    torch.manual_seed(4)
    model = CompactUpscaler(2, features=8, convolutions=3)
    with torch.inference_mode():
        before, changed = torch.rand(1, 3, 41, 41), None
        changed = before.clone()
        changed[..., 20, 20] += 1
        rows = (model(before) != model(changed)).any(dim=1)[0].any(dim=1).nonzero().flatten() // 2
    assert rows.min() >= 20 - model.receptive_radius
    assert rows.max() <= 20 + model.receptive_radius


def test_a_checkpoint_comes_back_as_saved_in_half_precision(tmp_path):
    torch.manual_seed(5)
    model = CompactUpscaler(4)
    path = tmp_path / "models" / "x4.safetensors"
    save_checkpoint(model.state_dict(), path, metadata={"steps": "7"})
    loaded = load_file(path)
    assert all(torch.equal(loaded[name], weight.half()) for name, weight in model.state_dict().items())
    assert [file.name for file in path.parent.iterdir()] == [path.name]


# The pictures --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [*pictures.TRAINED, *pictures.UNSEEN])
def test_a_recipe_draws_rgb_of_the_size_asked_and_the_same_for_the_same_seed(kind):
    recipe = (pictures.TRAINED | pictures.UNSEEN)[kind]
    first, again, other = (recipe(np.random.default_rng(seed), 96) for seed in (1, 1, 2))
    assert first.shape == (96, 96, 3)
    assert first.dtype == np.uint8
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_nothing_that_is_only_measured_is_trained_on():
    assert not set(pictures.TRAINED) & set(pictures.UNSEEN)
    assert not set(pictures.TRAINED.values()) & set(pictures.UNSEEN.values())
    assert {"world", *esrgan_data.ORDINARY_SHARES} == set(KINDS)
    assert sum(esrgan_data.ORDINARY_SHARES.values()) == pytest.approx(1)


def test_a_small_picture_is_the_large_one_seen_from_afar(pairs):
    for scale in SCALES:
        assert pairs.small[scale].shape == (12, 256 // scale, 256 // scale, 3)
        for large, small in zip(pairs.large, pairs.small[scale], strict=True):
            area = shrink(large, scale, Image.Resampling.BOX)
            assert psnr(area, small) > 24
            assert np.abs(area.mean(axis=(0, 1)) - small.mean(axis=(0, 1))).max() < 1.5


@pytest.mark.parametrize("scale", SCALES)
def test_the_patches_of_a_batch_belong_together(pairs, scale):
    small, large = cut_batch(pairs, scale, 16, 24, np.random.default_rng(6))
    assert small.shape == (16, 3, 24, 24)
    assert large.shape == (16, 3, 24 * scale, 24 * scale)
    assert small.dtype == large.dtype == np.float32
    assert 0 <= large.min() < large.max() <= 1
    reduced = torch.nn.functional.avg_pool2d(torch.from_numpy(large), scale).numpy()
    assert np.sqrt(((reduced - small) ** 2).mean(axis=(1, 2, 3))).max() < 0.07


def test_the_cache_is_drawn_once_and_opened_again(tmp_path, monkeypatch):
    first = esrgan_data.load_pairs(tmp_path, 3, seed=9)
    monkeypatch.setattr(esrgan_data, "make_pair", None)
    again = esrgan_data.load_pairs(tmp_path, 3, seed=9)
    for scale in SCALES:
        np.testing.assert_array_equal(first.small[scale], again.small[scale])
    np.testing.assert_array_equal(first.kind, again.kind)
    assert again.large.any()


def test_psnr_is_that_of_the_textbook():
    black, grey = np.zeros((4, 4, 3), np.uint8), np.full((4, 4, 3), 16, np.uint8)
    assert psnr(black, black) == 99
    assert psnr(black, grey) == pytest.approx(20 * np.log10(255 / 16))


# Training ------------------------------------------------------------------------------------------------------------


def test_an_interrupted_training_ends_where_an_uninterrupted_one_does(pairs, tmp_path):
    whole = Trainer(2, tmp_path / "whole", tmp_path / "whole")
    train(whole, pairs, minutes=1, steps=2)
    for _ in range(2):
        half = Trainer(2, tmp_path / "halves", tmp_path / "halves")
        resumed = half.resume()
        half.train_step(pairs, half.progress.step / 2)
        half.save()
    assert resumed
    expected, found = (load_file(checkpoint_path(2, tmp_path / name)) for name in ("whole", "halves"))
    assert all(torch.equal(expected[name], found[name]) for name in expected)


def test_a_training_that_is_interrupted_saves_what_it_has(pairs, tmp_path, monkeypatch):
    trainer = Trainer(2, tmp_path, tmp_path)
    step = Trainer.train_step

    def interrupt(self, pairs, done):
        if self.progress.step == 2:
            raise KeyboardInterrupt
        return step(self, pairs, done)

    monkeypatch.setattr(Trainer, "train_step", interrupt)
    with pytest.raises(KeyboardInterrupt):
        train(trainer, pairs, minutes=1, steps=9)
    again = Trainer(2, tmp_path, tmp_path)
    assert again.resume()
    assert again.progress.step == 2


def test_two_times_goes_on_from_the_trained_four_times(pairs, tmp_path):
    four = Trainer(4, tmp_path, tmp_path)
    four.train_step(pairs, 0.0)
    four.save()
    two = Trainer(2, tmp_path, tmp_path)
    assert torch.equal(two.model.body[2].weight, four.average["body.2.weight"])


def test_training_improves_on_bicubic(tmp_path, monkeypatch):
    monkeypatch.setattr(train_esrgan, "WARM_UP_STEPS", 5)
    monkeypatch.setattr(train_esrgan, "PATCH", 24)
    large = pictures.checkerboard(np.random.default_rng(2), 256)[None]
    pairs = Pairs(large, {2: shrink(large[0], 2, Image.Resampling.BOX)[None]}, np.zeros(1, np.uint8))
    trainer = Trainer(2, tmp_path, tmp_path, learning_rate=2e-3)
    psnrs = [trainer.train_step(pairs, 0.0) for _ in range(30)]
    assert np.mean(psnrs[-5:]) > np.mean(psnrs[:5]) + 1
    assert trainer.progress.step == 30
