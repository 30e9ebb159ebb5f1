"""Engines of models that blend, and frames for them."""

import numpy as np
import pytest

from tests.workers.engines.film.blenders import save_blender
from workers.engines.film import FilmEngine


@pytest.fixture(scope="module")
def timed_model(tmp_path_factory):
    return save_blender(tmp_path_factory.mktemp("timed"), honours_time=True)


@pytest.fixture(scope="module")
def midpoint_model(tmp_path_factory):
    return save_blender(tmp_path_factory.mktemp("midpoint"), honours_time=False)


@pytest.fixture
def timed(timed_model):
    engine = FilmEngine(timed_model, device="cpu")
    engine.load()
    return engine


@pytest.fixture
def midpoint(midpoint_model):
    engine = FilmEngine(midpoint_model, device="cpu")
    engine.load()
    return engine


@pytest.fixture
def frames():
    return np.random.default_rng(7).integers(0, 256, (4, 64, 64, 3), dtype=np.uint8)
