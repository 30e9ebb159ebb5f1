"""Running a check, and what it must say."""

import pytest

from auravideo.core.metrics import totals
from auravideo.doctor.findings import NotApplicable, Problem


@pytest.fixture
def problem():
    """Return a function that returns the Problem that a check raises."""

    def run(check) -> Problem:
        with pytest.raises(Problem) as caught:
            check()
        assert caught.value.fix, "a problem without a fix helps nobody"
        return caught.value

    return run


@pytest.fixture
def not_applicable():
    def run(check) -> str:
        with pytest.raises(NotApplicable) as caught:
            check()
        return str(caught.value)

    return run


@pytest.fixture
def redis_is_down(settings):
    settings.REDIS_METRICS_URL = "redis://127.0.0.1:1/0"
    totals.client.cache_clear()
    yield
    totals.client.cache_clear()
