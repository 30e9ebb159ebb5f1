"""The measures of cost tell what is dear from what is cheap."""

import time

import pytest

from tests.costs import at_most, calls_of


def test_what_takes_longer_than_it_may_fails():
    with pytest.raises(AssertionError, match="times the usual cost"), at_most(0.0001):
        sum(range(3_000_000))


def test_waiting_costs_nothing():
    with at_most(0.1):
        time.sleep(0.3)


def test_an_error_inside_stays_what_it_is():
    with pytest.raises(ValueError, match="digits"), at_most(1):
        raise ValueError("digits")


def test_calls_are_counted_whoever_answers_them():
    def twice():
        len("a")
        return len("b")

    assert calls_of(twice) - calls_of(lambda: None) == 2
    assert calls_of(lambda: [len(str(number)) for number in range(100)]) > 100
