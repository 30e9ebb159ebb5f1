"""Totals that start at zero."""

import pytest

from auravideo.core.metrics import totals


@pytest.fixture
def no_totals():
    """Begin with empty totals: what earlier tests of this process counted has been shipped and deleted."""
    totals.ship()
    totals.client().delete(totals.KEY)
