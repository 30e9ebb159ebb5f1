"""FILM in torch gives TensorFlow's frames on the same weights, read from the same files."""

import numpy as np
import pytest

from auravideo.core.computing.libraries import Library
from generation.domain.errors import RenderError
from tests.film.published import SMALL
from tests.torch_film import Case, answers
from workers.engines.film import FilmEngine
from workers.engines.film_torch import choice
from workers.engines.film_torch.choice import open_film
from workers.engines.film_torch.layouts import PublishedLayout, TinyLayout, layout_of
from workers.engines.film_torch.saved_variables import read_variables
from workers.tiny.training.evaluate_film import SHIPPED

pytestmark = pytest.mark.tensorflow

LEAST = 80.0  # dB, of the value range; 50 is what is promised
SIZES = [(64, 64), (128, 64), (64, 192), (192, 128)]
TIMES = ((0.5,), (0.25, 0.5, 0.9), (0.0, 1.0))


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    from tests.film.network import save

    return save(tmp_path_factory.mktemp("film") / "small", SMALL)


def moving(batch: int, height: int, width: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return pairs of smooth frames that move by some pixels, with some noise: float32 [B, H, W, 3]."""
    from PIL import Image

    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (batch, height // 8, width // 8, 3), dtype=np.uint8)
    smooth = [
        np.asarray(Image.fromarray(picture).resize((width, height), Image.Resampling.BICUBIC)) for picture in coarse
    ]
    first = np.stack(smooth).astype(np.float32) / 255
    noise = rng.normal(0, 0.02, first.shape).astype(np.float32)
    return first, np.clip(np.roll(first, (2, -3), (1, 2)) + noise, 0, 1)


def agreement(cases: list[Case], folder) -> list[float]:
    """Return how well torch's answers agree with TensorFlow's, in dB."""
    found = []
    engines = {case.model: FilmEngine(case.model, "cpu") for case in cases}
    for case, answer in zip(cases, answers(cases, folder), strict=True):
        engine = engines[case.model]
        engine.load()
        expected = engine._call(engine._import(), case.x0, case.x1, list(case.times))
        assert answer.dtype == expected.dtype
        assert answer.shape == expected.shape
        assert expected.std() > 0.02, "there is nothing to compare"
        found.append(-10 * np.log10(np.mean((answer - expected) ** 2) + 1e-20))
    print([f"{decibels:.0f} dB" for decibels in found])
    return found


def test_both_networks_agree_at_every_size_batch_and_time(small, tmp_path):
    cases = [
        Case(model, *moving(len(times), *size, seed=index), times)
        for model in (SHIPPED, small)
        for index, size in enumerate(SIZES)
        for times in TIMES
    ]
    found = agreement(cases, tmp_path)
    assert len(found) == 24
    assert min(found) > LEAST


def test_frames_that_are_alike_or_all_one_colour_agree_too(tmp_path):
    first, second = moving(1, 64, 64)
    grey = np.full_like(first, 0.5)
    cases = [Case(SHIPPED, *pair, (0.3,)) for pair in ((first, first), (grey, second), (first, grey))]
    assert min(agreement(cases, tmp_path)) > LEAST


@pytest.mark.slow
def test_the_published_network_agrees_at_its_full_size(tmp_path):
    from tests.film.network import save

    model = save(tmp_path / "film")
    cases = [Case(model, *moving(batch, *size), (0.5,) * batch) for batch, size in ((1, (256, 192)), (2, (128, 128)))]
    assert min(agreement(cases, tmp_path)) > LEAST


# What is read ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("is_shipped", [True, False])
def test_the_variables_are_those_that_tensorflow_reads(small, is_shipped):
    import tensorflow as tf

    folder = SHIPPED if is_shipped else small
    checkpoint = tf.train.load_checkpoint(str(folder / "variables" / "variables"))
    keys = {key for key in checkpoint.get_variable_to_shape_map() if key.endswith("VARIABLE_VALUE")}
    found = {f"{variable.key}/.ATTRIBUTES/VARIABLE_VALUE": variable for variable in read_variables(folder)}
    assert found.keys() == keys
    for key, variable in found.items():
        assert np.array_equal(variable.read(), checkpoint.get_tensor(key))


def test_the_layouts_are_told_apart(small, tmp_path):
    import tensorflow as tf

    assert isinstance(layout_of(SHIPPED), TinyLayout)
    layout = layout_of(small)
    assert isinstance(layout, PublishedLayout)
    assert [len(layout.features), len(layout.flows), len(layout.fusion)] == [8, 4, 4]
    other = tf.Module()
    other.half = tf.Variable(0.5)
    tf.saved_model.save(other, str(tmp_path / "other"))
    assert layout_of(tmp_path / "other") is None


def test_a_network_that_torch_does_not_know_is_left_to_tensorflow(tmp_path, monkeypatch, caplog):
    import tensorflow as tf

    other = tf.Module()
    other.half = tf.Variable(0.5)
    tf.saved_model.save(other, str(tmp_path / "other"))
    engine = open_film(tmp_path / "other", Library.TORCH, "Somebody's")
    assert type(engine) is FilmEngine
    assert "Somebody's" in caplog.text
    monkeypatch.setattr(choice, "find_spec", lambda name: None)
    with pytest.raises(RenderError) as caught:
        open_film(tmp_path / "other", Library.TORCH, "Somebody's")
    assert caught.value.id == "model-needs-tensorflow"
