"""FILM's memory: what torch takes on paper, against the sum over the architecture that the catalogue is made of."""

import pytest

from tests.film.published import FULL, shapes
from tests.rigs.paper_card import film
from tests.rigs.paper_card.film_in_torch import traced_bytes


@pytest.mark.parametrize(("side", "pairs"), [(256, 1), (512, 1), (512, 4)])
def test_torch_takes_less_than_the_sum_and_not_much_less(side, pairs):
    fixed = film.CONTEXT + film.GAPS + film.WEIGHTS
    traced, bound = (of(side, side, pairs) - fixed for of in (traced_bytes, film.needed_bytes))
    print(f"{pairs} of {side}x{side}: {traced / 1e9:.2f} GB on paper, {bound / 1e9:.2f} GB by the sum")
    assert 0.6 < traced / bound <= 1


def test_the_architecture_has_the_weights_of_the_published_file():
    size = sum(film.FLOAT * (side * side * ins * outs + outs) for side, ins, outs in shapes(FULL).values())
    assert size == pytest.approx(film.WEIGHTS, rel=0.03)
