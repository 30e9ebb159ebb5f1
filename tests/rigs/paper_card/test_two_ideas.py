"""The figures of the two ideas follow from the networks, the steps and the frames."""

import pytest

from generation.catalogue.entries import BUILTIN_MODELS
from tests.rigs.paper_card import two_ideas
from tests.rigs.paper_card.cards import CARDS
from tests.rigs.paper_card.measure import Bench
from tests.rigs.paper_card.pipelines import networks_in
from tests.rigs.paper_card.upscaling import write_published

pytestmark = pytest.mark.thorough  # a minute of one core in all


def test_steps_pixels_and_frames_cost_what_they_are():
    base = BUILTIN_MODELS / "text-to-video"
    with Bench(base, networks_in(base, BUILTIN_MODELS / "motion-adapter"), CARDS["RTX 3060"]) as bench:
        small, longer = (two_ideas.generation(bench, 128, 9, steps) for steps in (8, 16))
        large = two_ideas.generation(bench, 512, 9, 8)
    assert longer.denoise == pytest.approx(2 * small.denoise)
    assert longer.decode == pytest.approx(small.decode)
    assert large.seconds > 8 * small.seconds


def test_the_general_network_costs_a_multiple_of_the_compact_one(tmp_path):
    files = write_published(tmp_path)
    general, compact = (two_ideas.upscaling(files, name, 64, 10) for name in two_ideas.NETWORKS.values())
    assert general > 10 * compact
    assert two_ideas.upscaling(files, two_ideas.NETWORKS["compact"], 64, 20) == pytest.approx(2 * compact)
