import pytest

from auravideo.refusals.budgets import Budgets


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def budgets(clock):
    """Budgets of a site on which somebody else is, too."""
    found = Budgets(clock)
    found.ask("somebody", 0.01)
    return found
