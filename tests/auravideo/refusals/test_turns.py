"""Addresses in debt wait until nobody else does, and take few turns at a time."""

import asyncio

import pytest

from auravideo.refusals import turns as module
from auravideo.refusals.budgets import Payer
from auravideo.refusals.turns import (
    FEWEST_OF_ONE_ADDRESS,
    MOST_OF_ONE_ADDRESS,
    Overloaded,
    Turns,
)

DEBTS = {"flood": 1.0, "second flood": 1.0, "a little": 0.1}


@pytest.fixture
def turns():
    return Turns(4, patience=5, debt=lambda payer: DEBTS.get(payer.address, 0.0))


async def waiting(turns: Turns, *addresses: str) -> list[asyncio.Task]:
    tasks = [asyncio.create_task(turns.take(address)) for address in addresses]
    for _ in range(3):
        await asyncio.sleep(0)
    return tasks


def let_go(tasks: list[asyncio.Task]) -> None:
    for task in tasks:
        task.cancel()


async def test_debtors_take_one_turn_though_others_are_free(turns):
    (await turns.take("a person")).give_back()
    tasks = await waiting(turns, *["flood"] * 3, *["second flood"] * 3)
    assert [task.done() for task in tasks] == [True, *[False] * 5]
    let_go(tasks)


async def test_somebody_else_never_waits_behind_them(turns):
    debtors = await waiting(turns, *["flood"] * 6)  # who have been alone, and have all turns
    assert sum(task.done() for task in debtors) == 4
    (person,) = await waiting(turns, "a person")
    debtors[0].result().give_back()
    await person
    assert not debtors[4].done()
    let_go(debtors)


async def test_no_debtor_begins_while_somebody_else_is_at_work(turns):
    (person,) = await waiting(turns, "a person")
    debtors = await waiting(turns, *["flood"] * 3)
    assert not any(task.done() for task in debtors)
    person.result().give_back()
    await debtors[0]
    assert not debtors[1].done()
    debtors[0].result().give_back()
    await debtors[1]
    debtors[1].result().give_back()
    await debtors[2]
    debtors[2].result().give_back()
    assert (turns.free, turns.waiting) == (4, 0)


async def test_debtors_have_all_turns_again_once_nobody_else_is_there(turns, monkeypatch):
    (await turns.take("a person")).give_back()
    monkeypatch.setattr(module, "QUIET_SECONDS", 0.05)
    await asyncio.sleep(0.06)
    tasks = await waiting(turns, *["flood"] * 3)
    assert all(task.done() for task in tasks)


async def test_the_more_an_address_owes_the_fewer_may_wait(turns):
    (await turns.take("a person")).give_back()
    taken = await waiting(turns, *["flood"] * (1 + FEWEST_OF_ONE_ADDRESS))
    assert not turns.has_room(Payer("flood"))
    with pytest.raises(Overloaded):
        await turns.take("flood")
    few = await waiting(turns, *["a little"] * 60)  # the pictures of a page
    assert not any(task.done() for task in few)
    assert turns.has_room(Payer("a little"))
    assert turns.has_room(Payer("a person"))
    let_go([*taken, *few])
    assert MOST_OF_ONE_ADDRESS > 60


async def test_debtors_are_let_in_one_address_after_the_other(turns):
    (await turns.take("a person")).give_back()
    first = await waiting(turns, *["flood"] * 4)
    second = await waiting(turns, "second flood")
    first[0].result().give_back()
    (await first[1]).give_back()
    await second[0]
    assert (first[2].done(), first[3].done()) == (False, False)
    let_go(first)


async def test_a_turn_is_given_back_once(turns):
    turn = await turns.take("a person")
    turn.give_back()
    turn.give_back()
    assert turns.free == 4


async def test_debtors_rest_as_long_as_they_worked_while_somebody_else_uses_the_site(turns):
    (await turns.take("a person")).give_back()
    first, second = await waiting(turns, "flood", "flood")
    await asyncio.sleep(0.2)
    (await first).give_back()
    began = asyncio.get_running_loop().time()
    (await turns.take("a person")).give_back()  # who does not wait for that
    assert asyncio.get_running_loop().time() - began < 0.1
    (await second).give_back()
    assert asyncio.get_running_loop().time() - began > 0.15


async def test_debtors_do_not_rest_once_nobody_else_is_there(turns):
    first, second = await waiting(turns, *["flood"] * 2)
    await asyncio.sleep(0.2)
    (await first).give_back()
    (await second).give_back()
    began = asyncio.get_running_loop().time()
    (await turns.take("flood")).give_back()
    assert asyncio.get_running_loop().time() - began < 0.1


async def test_many_accounts_behind_one_address_get_no_more_turns_than_one():
    turns, order = Turns(1, patience=10), []
    await turns.take()

    async def wait(*payer) -> None:
        await turns.take(*payer)
        order.append(payer)
        turns.give_back()

    many = [("school", person) for person in range(5)]
    tasks = [asyncio.create_task(wait(*payer)) for payer in [*many, ("school", 0), ("home",), ("home",), ("home",)]]
    await asyncio.sleep(0)
    turns.give_back()
    await asyncio.gather(*tasks)
    assert order[1:6:2] == [("home",)] * 3
    assert len(set(order[:6:2])) == 3, "each of the school once"
    assert turns.waiting == 0


async def test_one_person_or_many_of_one_address_do_not_fill_the_line(monkeypatch):
    monkeypatch.setattr(module, "MOST_OF_ONE_PERSON", 5)
    monkeypatch.setattr(module, "MOST_OF_ONE_ADDRESS", 8)
    turns = Turns(1, patience=10)
    await turns.take()
    tasks = [asyncio.create_task(turns.take("school", person)) for person in (1, 2) for _ in range(7)]
    await asyncio.sleep(0)
    assert [not task.done() for task in tasks] == [*[True] * 5, *[False] * 2, *[True] * 3, *[False] * 4]
    assert turns.has_room(Payer("home", 3))
    assert turns.has_room(Payer("school")), "nor do they take the place of strangers"
    let_go(tasks)
    await asyncio.gather(*tasks, return_exceptions=True)
