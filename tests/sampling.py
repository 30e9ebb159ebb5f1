"""Long lists of cases, of which `make test` runs a sample and `make test-thorough` the rest."""

from collections.abc import Iterable
from typing import Any

import pytest


def every(step: int, cases: Iterable[Any]) -> list[Any]:
    """Return `cases` for `parametrize`: the first of every `step` as it is, the others marked `thorough`.

    Cases that are tuples are values of several parameters.
    """
    return [case if number % step == 0 else thorough(case) for number, case in enumerate(cases)]


def thorough(case: Any) -> Any:
    """Return one case of `parametrize`, marked `thorough`."""
    values = case if isinstance(case, tuple) else (case,)
    return pytest.param(*values, marks=pytest.mark.thorough)
