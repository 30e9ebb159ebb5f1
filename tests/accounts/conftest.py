"""Fixtures of the tests of accounts."""

import pytest


@pytest.fixture(autouse=True)
def _mails_are_sent_at_once(mails_at_once):
    """What is asked for in a test can be read in it."""
