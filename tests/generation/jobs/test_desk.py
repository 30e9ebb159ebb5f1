"""A round serves many users with the queries of one, and no user waits for what fails for another."""

import asyncio

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from generation.domain.states import Stage
from generation.jobs import desk
from generation.jobs.desk import Desk, Errand, Reply, do
from generation.jobs.page_updates import View
from generation.queue import claims, estimates
from tests.factories import JobFactory, UserFactory


def errands(count: int) -> list[Errand]:
    """Return errands of users of whose one page the one running job has advanced."""
    found = []
    for _ in range(count):
        job = JobFactory()
        claims.beat(claims.claim(job.pk, 1, Stage.GENERATE, 0, "worker"), 1, 4)
        view = View(job.user, f"jobs={job.pk}".encode())
        view.present()
        found.append(Errand(job.user, {job.pk}, others={"page": view}))
    return found


@pytest.mark.django_db
def test_progress_of_many_users_costs_as_many_queries_as_that_of_one():
    estimates._rate.cache_clear()
    (one,), many = errands(1), errands(8)
    do([one])
    with CaptureQueriesContext(connection) as alone:
        do([one])
    with CaptureQueriesContext(connection) as together:
        replies = do(many)
    assert len(together) == len(alone) == 2
    for errand, reply in zip(many, replies, strict=True):
        (job,) = errand.changed
        assert f'id="job-{job}"' in reply.html["page"]


@pytest.mark.django_db
def test_newcomers_of_many_users_cost_one_query_each_and_a_few_for_all():
    def arriving(count: int) -> list[Errand]:
        jobs = [JobFactory() for _ in range(count)]
        return [Errand(job.user, set(), newcomers={"page": View(job.user, f"jobs={job.pk}".encode())}) for job in jobs]

    counts = []
    for count in (1, 8):
        found = arriving(count)
        with CaptureQueriesContext(connection) as queries:
            do(found)
        counts.append(len(queries))
    assert counts[1] - counts[0] <= 7


@pytest.mark.django_db
def test_a_user_is_never_read_another_users_job():
    mine, theirs = JobFactory(), JobFactory()
    view = View(mine.user, f"jobs={theirs.pk}".encode())
    watching = Errand(theirs.user, set(), newcomers={"page": View(theirs.user, f"jobs={theirs.pk}".encode())})
    curious, _other = do([Errand(mine.user, set(), newcomers={"page": view}), watching])
    assert str(theirs.pk) not in curious.html["page"]


class Customer:
    """Asks once, and notes in `served` when it is served."""

    def __init__(self, user, served: list) -> None:
        self.user, self.served = user, served

    def take(self) -> Errand:
        return Errand(self.user, set())

    async def deliver(self, _reply: Reply) -> None:
        self.served.append(self)


@pytest.mark.django_db(transaction=True)
async def test_whoever_asks_is_served_once_in_order_however_often_they_ask(monkeypatch):
    monkeypatch.setattr(desk, "USERS_A_ROUND", 2)
    served: list[Customer] = []
    customers = [Customer(UserFactory.build(pk=n), served) for n in range(1, 6)]
    ours = Desk()
    for customer in [*customers, *customers]:
        ours.ask(customer)
    async with asyncio.timeout(10):
        while len(served) < 5:
            await asyncio.sleep(0.01)
    assert served == customers


class Unlucky(Customer):
    async def deliver(self, _reply: Reply) -> None:
        raise ConnectionError("all pages are gone")


@pytest.mark.django_db(transaction=True)
async def test_whoever_cannot_be_served_keeps_nobody_waiting(caplog):
    served: list[Customer] = []
    unlucky, other = Unlucky(UserFactory.build(pk=1), served), Customer(UserFactory.build(pk=2), served)
    ours = Desk()
    ours.ask(unlucky)
    ours.ask(other)
    async with asyncio.timeout(10):
        while not served:
            await asyncio.sleep(0.01)
    assert served == [other]
    assert "The pages of user 1 could not be served" in caplog.text


@pytest.mark.django_db(transaction=True)
async def test_somebody_who_asks_while_the_desk_closes_is_served(monkeypatch):
    served: list[Customer] = []
    ours = Desk()
    late = Customer(UserFactory.build(pk=2), served)
    loop = asyncio.get_running_loop()
    monkeypatch.setattr(desk, "close_old_connections", lambda: loop.call_soon_threadsafe(ours.ask, late))
    ours.ask(Customer(UserFactory.build(pk=1), served))
    async with asyncio.timeout(10):
        while late not in served:
            await asyncio.sleep(0.01)
    monkeypatch.undo()


@pytest.mark.django_db
def test_a_comparison_of_many_users_pages_costs_as_many_queries_as_that_of_one():
    estimates._rate.cache_clear()
    (one,), many = errands(1), errands(8)
    for errand in (one, *many):
        errand.changed, errand.is_refresh = set(), True
    with CaptureQueriesContext(connection) as alone:
        do([one])
    with CaptureQueriesContext(connection) as together:
        replies = do(many)
    assert len(together) == len(alone) == 4
    assert [reply.html["page"] for reply in replies] == [""] * 8
