"""One engine for the tests of this folder."""

import pytest

from tests.rigs.containers.engine import Engine


@pytest.fixture(scope="session")
def engine():
    with Engine() as engine:
        yield engine
