"""Whoever asks for much more computing than a person does is in debt; nobody else notices."""

import pytest

from auravideo.refusals import budgets as module
from auravideo.refusals.budgets import ALONE_SECONDS, EARNED, OWED, SAVED, WEIGHT, Budgets, Prices

PAGE, PICTURE = 0.1, 0.01  # seconds of computing, on a slow machine


def flood(budgets, clock, seconds: float, rate: int = 50) -> None:
    for _ in range(round(seconds * rate)):
        budgets.ask("many", PAGE)
        clock.now += 1 / rate


def test_whoever_floods_the_site_is_in_debt_within_a_second_and_stays_there(budgets, clock):
    flood(budgets, clock, 1)
    assert budgets.debt("many") > 0
    flood(budgets, clock, 20)
    budgets.ask("somebody", 0.01)
    assert budgets.debt("many") == pytest.approx(1, abs=0.1)


def test_a_debt_ends_soon_after_the_flood(budgets, clock):
    flood(budgets, clock, 30)
    clock.now += OWED / EARNED
    budgets.ask("somebody", 0.01)
    assert budgets.debt("many") == 0


def test_a_person_who_clicks_as_fast_as_they_can_is_not_in_debt(budgets, clock):
    for _ in range(30):  # half a minute of a page with 24 pictures in every second, on a slow machine
        budgets.ask("person", PAGE)
        for _ in range(24):
            budgets.ask("person", PICTURE)
        budgets.ask("somebody", 0.01)
        assert budgets.debt("person") == 0
        clock.now += 1


def test_whoever_is_alone_on_the_site_owes_nothing(clock):
    budgets = Budgets(clock)
    flood(budgets, clock, 60)
    assert budgets.debt("many") == 0
    budgets.ask("somebody", PAGE)
    assert budgets.debt("many") > 0
    assert budgets.debt("somebody") == 0
    flood(budgets, clock, ALONE_SECONDS + 1)
    assert budgets.debt("many") == 0


def test_what_a_request_really_took_counts(budgets):
    budgets.ask("one", SAVED)
    budgets.settle("one", -SAVED)
    assert budgets.debt("one") == 0
    budgets.settle("one", SAVED + OWED)
    assert budgets.debt("one") == pytest.approx(1)


def test_nobody_owes_or_saves_without_bound(budgets, clock):
    budgets.ask("one", 1000)
    assert budgets.debt("one") == 1
    clock.now += 3600
    budgets.ask("somebody", 0)
    budgets.ask("one", SAVED + OWED / 2)
    assert budgets.debt("one") == pytest.approx(0.5)


def test_addresses_without_a_debt_are_forgotten_when_there_are_many(budgets, clock, monkeypatch):
    monkeypatch.setattr(module, "KEPT", 3)
    budgets.ask("debtor", 100)
    for number in range(3):
        clock.now += OWED / EARNED / 10
        budgets.ask(f"visitor {number}", 0)
    assert budgets.debt("debtor") > 0
    assert len(budgets._accounts) <= 3


def test_prices_follow_what_requests_take():
    prices = Prices()
    assert prices.of("page") == module.FIRST_PRICE
    prices.learn("page", 1.0)
    assert prices.of("page") == 1.0
    prices.learn("page", 2.0)
    assert prices.of("page") == pytest.approx(1 + WEIGHT)
    assert prices.of("other") == module.FIRST_PRICE
