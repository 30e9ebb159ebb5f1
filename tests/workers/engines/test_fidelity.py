"""What memory modes and half precision do to clips: each stays above a floor, and most change nothing to see."""

import pytest

from scripts.bench_engines.fidelity import measure, tiles
from workers.engines.memory import LADDER

pytestmark = pytest.mark.thorough

EXACT = 60  # dB: differences of one in 255, here and there
FLOORS = {rung.name: EXACT for rung in LADDER[1:] if rung.is_exact} | {"8-bit": 27, "float16": 27, "bfloat16": 20}


@pytest.mark.parametrize("mode", ["two-passes", "split", "blocks", "8-bit", "float16", "bfloat16"])
def test_a_clip_stays_close_to_what_it_is_in_the_first_mode(mode):
    first, other = measure([mode], count=2, steps=8)
    assert other["mode"] == mode
    assert min(first["psnr"]) > min(other["psnr"]), "nothing was different: was the mode in use?"
    assert min(other["psnr"]) >= FLOORS[mode]


def test_large_frames_in_tiles_resemble_whole_ones():
    """No more than that, with the bundled decoder (docs/performance.md): 18 to 41 dB."""
    found = tiles(4)
    assert 15 <= min(found) < 60
    assert sorted(found)[2] > 30
