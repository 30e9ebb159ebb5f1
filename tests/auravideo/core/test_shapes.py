"""Every clip gets the class of a ratio so near to its own that its card hides next to nothing of it."""

import re
from pathlib import Path
from types import SimpleNamespace

import pytest

from auravideo.core.templatetags.shapes import RATIOS, shape
from generation.requests.sizes import ASPECTS, size_of

STYLES = Path(__file__).resolve().parents[3] / "static" / "css" / "screens.css"
WIDEST = max(RATIOS.values())


def of(width: int, height: int) -> str:
    return shape(SimpleNamespace(width=width, height=height))


def test_the_styles_have_the_same_list():
    found = re.findall(r"^\.(shape-\d+-\d+) { --shape: ([\d.]+); }$", STYLES.read_text(), re.MULTILINE)
    assert {name: float(ratio) for name, ratio in found} == pytest.approx(RATIOS, abs=0.0001)


def test_at_most_four_percent_are_cut_off():
    for width in range(128, 2049, 24):
        for height in range(128, 2049, 24):
            if 1 / WIDEST <= width / height <= WIDEST:
                ratio = width / height / RATIOS[of(width, height)]
                assert 1 / 1.042 < ratio < 1.042, (width, height)


@pytest.mark.parametrize("aspect", ASPECTS)
@pytest.mark.parametrize("side", [128, 256, 512, 1024])
def test_what_the_form_offers_has_a_class_of_its_own(aspect, side):
    assert of(*size_of(side, aspect)) == f"shape-{aspect.replace(':', '-')}"


def test_what_is_wider_than_any_class_gets_the_widest():
    assert of(2048, 128) == "shape-3-1"
    assert of(128, 2048) == "shape-1-3"
