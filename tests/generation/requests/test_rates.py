"""Frame rates on offer: those that a model reaches without dropping a frame here and there, and its own first."""

import pytest

from generation.requests.fields import FPS
from generation.requests.rates import even_rates, offered_rates, standard_rate


@pytest.mark.parametrize(
    ("native", "offered", "standard"),
    [
        (8, [8, 16, 24, 32], 24),
        (12, [24], 24),
        (16, [8, 16, 24, 32], 16),
        (24, [8, 24], 24),
        (25, [25], 25),
        (30, [30], 30),
        (60, [30], 30),
        (7, [24], 24),
        (36, [24], 24),
    ],
)
def test_the_rates_of_a_model(native, offered, standard):
    assert (offered_rates(native), standard_rate(native)) == (offered, standard)


@pytest.mark.parametrize("native", range(1, 61))
def test_every_model_has_rates_and_the_standard_one_is_among_them(native):
    assert set(offered_rates(native)) <= set(FPS)
    assert standard_rate(native) in offered_rates(native)
    assert set(even_rates(native)) <= set(offered_rates(native))
    if native in FPS:
        assert native in offered_rates(native)
