"""Whoever has signed in is not refused because of strangers behind the same address; many accounts gain little."""

import asyncio

import pytest
from django.conf import settings
from django.http import parse_cookie
from django.test import Client
from django.urls import reverse

from accounts.sign_in import devices
from auravideo.refusals import members as module
from auravideo.refusals import turned_away
from auravideo.refusals.admission import Admission
from auravideo.refusals.budgets import (
    EARNED,
    MEMBERS_EARNED,
    MEMBERS_SAVED,
    OWED,
    RESERVES_EARNED,
    RESERVES_SAVED,
    SAVED,
    Payer,
)
from auravideo.refusals.measuring import SIGNED_IN
from auravideo.refusals.members import BARRED_SECONDS, SEAT_SECONDS, SEATS, Members, people_of, person_of
from tests.auravideo.test_admission import FLOOD, Application, ask
from tests.costs import calls_of
from tests.factories import PASSWORD, UserFactory

SCHOOL = FLOOD[0]


@pytest.fixture
def members(budgets, clock):
    return Members(budgets, clock)


def signed_in(user) -> str:
    """Return the cookies of a browser that has just signed in."""
    browser = Client()
    browser.post(reverse("account_login"), {"login": user.username, "password": PASSWORD}, follow=True)
    assert browser.cookies[devices.COOKIE].value
    return "; ".join(f"{name}={morsel.coded_value}" for name, morsel in browser.cookies.items())


def cookie_header(cookies: str) -> list[tuple[bytes, bytes]]:
    return [(b"cookie", cookies.encode())]


FEW_CALLS = 500  # Django's reading of a thousand cookies makes ten times as many


def test_the_count_of_calls_tells_reading_one_cookie_from_reading_all():
    cookies = "; ".join('other="\\101"' for _ in range(1000))
    assert calls_of(lambda: parse_cookie(cookies)) > 5 * FEW_CALLS


# --- Who is known -----------------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_a_browser_that_signed_in_says_who_it_is_without_asking_the_database(django_assert_num_queries):
    user = UserFactory()
    cookies = signed_in(user)
    with django_assert_num_queries(0):
        assert people_of(cookie_header(cookies)) == (user.pk,)


@pytest.mark.django_db
def test_of_several_accounts_of_a_browser_the_one_that_signed_in_last_pays():
    """Also if it has been there before: the others are not to pay for what somebody else does now."""
    first, second = UserFactory(), UserFactory()
    browser = Client()
    for user in (first, second, first, second, second):
        browser.post(reverse("account_login"), {"login": user.username, "password": PASSWORD}, follow=True)
        cookies = f"device={browser.cookies[devices.COOKIE].value}"
        assert person_of(cookie_header(cookies)) == user.pk
        browser.post(reverse("account_logout"))
    assert sorted(people_of(cookie_header(cookies))) == [first.pk, second.pk]


@pytest.mark.django_db
def test_nobody_can_make_or_change_that_cookie():
    cookies = signed_in(UserFactory())
    _name, _equals, value = next(part for part in cookies.split("; ") if part.startswith("device=")).partition("=")
    for forged in (value[:-1] + ("A" if value[-1] != "A" else "B"), "e30:1w:x", "", "x" * 5000, value[1:], '{"1": 2}'):
        assert people_of(cookie_header(f"device={forged}")) == ()
    assert people_of([]) == ()


@pytest.mark.django_db
def test_other_cookies_neither_hide_it_nor_cost_anything():
    """A flood with sixteen kilobytes of cookies must not keep a process busy before it is refused."""
    user, others = UserFactory(), "; ".join('other="\\101"' for _ in range(1000))
    cookies = signed_in(user)
    assert people_of(cookie_header(f"{others};{cookies}; {others}")) == (user.pk,)
    assert calls_of(lambda: people_of(cookie_header(f"{others}; device=forged"))) < FEW_CALLS


def test_a_refusal_is_in_the_language_that_was_chosen_and_reads_no_other_cookie():
    others = "; ".join('other="\\101"' for _ in range(1000))
    scope = {"method": "GET", "path": "/jobs/", "query_string": b""}
    polish = turned_away.in_debt({**scope, "headers": cookie_header(f"{others}; {settings.LANGUAGE_COOKIE_NAME}=pl")})
    assert 'lang="pl"' in polish.content.decode()
    headers = cookie_header(f"{others}; {settings.LANGUAGE_COOKIE_NAME}=de")
    assert calls_of(lambda: turned_away.in_debt({**scope, "headers": headers})) < FEW_CALLS


# --- A page -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def site(settings):
    """A site that serves two requests at a time, where others wait for a tenth of a second."""
    settings.REQUESTS_AT_ONCE, settings.REQUEST_PATIENCE = 2, 0.1
    application = Application()
    application.go.set()
    made = Admission(application)
    made.budgets.ask("elsewhere", 0.01)
    return made


@pytest.mark.django_db(transaction=True)
def test_somebody_who_is_signed_in_is_served_while_strangers_behind_the_same_address_are_refused(site):
    cookies = signed_in(UserFactory())

    async def visit():
        site.budgets.ask(SCHOOL, 100)
        site.turns._others_at = asyncio.get_running_loop().time()
        site.application.go.clear()
        busy = [asyncio.create_task(ask(site, client=FLOOD)) for _ in range(10)]
        await asyncio.sleep(0.01)
        scope = {"method": "GET", "path": "/jobs/", "query_string": b"", "client": FLOOD}
        before_bodies = [site.refusal({**scope, "headers": h}) for h in ([], cookie_header(cookies))]
        pupil = asyncio.create_task(ask(site, client=FLOOD, cookie=cookies))
        await asyncio.sleep(0.01)
        site.application.go.set()
        strangers = await asyncio.gather(*busy)
        return before_bodies, (await pupil).status, [answer.status for answer in strangers]

    (stranger, pupil), status, strangers = asyncio.run(visit())
    assert (stranger.status_code, pupil) == (429, None)
    assert (status, strangers.count(429) >= 5) == (200, True), "one at work, four wait, all others are refused"


@pytest.mark.django_db(transaction=True)
def test_a_cookie_that_outlasts_its_session_is_worth_nothing_once_that_is_seen(site):
    cookies, user = signed_in(UserFactory()), UserFactory()

    def payer() -> Payer:
        return site._payer({"headers": cookie_header(cookies), "client": FLOOD, "method": "GET"})

    async def visit(user_id: int) -> None:
        scope = {"method": "GET", "path": "/jobs/", "query_string": b"", "headers": cookie_header(cookies)}

        async def application(scope, receive, send):
            scope[SIGNED_IN](user_id)

        site.application = application
        await site({**scope, "client": FLOOD}, None, None)

    mine = payer().person
    assert mine
    for nobody in (0, user.pk):
        asyncio.run(visit(nobody))
        assert payer() == Payer(SCHOOL)
        asyncio.run(visit(mine))  # and has signed in again
        assert payer() == Payer(SCHOOL, mine)


# --- What it is worth to a flood --------------------------------------------------------------------------------------


def flood(budgets, members, clock, people, seconds: float, price: float = 0.05, rate: int = 200) -> float:
    """Let people ask as fast as they can; return the seconds that they got as people who are known."""
    known = 0.0
    for number in range(round(seconds * rate)):
        payer = members.payer(SCHOOL, people[number % len(people)])
        budgets.ask(payer.address, price, payer.person)
        known += price * bool(payer.person)
        clock.now += 1 / rate
    return known


def test_strangers_cannot_use_up_what_somebody_has_who_is_known(budgets, members):
    budgets.ask(SCHOOL, 100)
    assert budgets.debt(SCHOOL) == 1
    assert budgets.debt(*members.payer(SCHOOL, 7)) == 0


def test_who_floods_the_site_is_a_stranger_for_a_quarter_of_an_hour(budgets, members, clock):
    flood(budgets, members, clock, [7], 1)
    assert members.payer(SCHOOL, 7) == Payer(SCHOOL)
    assert members.payer("elsewhere", 7) == Payer("elsewhere"), "an account has one budget wherever it is used"
    assert members.payer(SCHOOL, 8) == Payer(SCHOOL, 8), "and nobody else pays for it"
    clock.now += OWED / EARNED + 60
    assert members.payer(SCHOOL, 7) == Payer(SCHOOL)
    clock.now += BARRED_SECONDS
    assert members.payer(SCHOOL, 7) == Payer(SCHOOL, 7)


def test_many_accounts_earn_less_than_as_many_addresses(budgets, members, clock):
    """However cleverly they share it out: each stays within its own budget."""
    minutes, got = 10, 0.0
    for _ in range(minutes * 60 * 5):
        for person in range(1, 101):
            payer = members.payer(SCHOOL, person)
            budgets.ask(payer.address, 0.04, payer.person)
            got += 0.04 * bool(payer.person)
        clock.now += 0.2
    bound = MEMBERS_SAVED + RESERVES_SAVED + (MEMBERS_EARNED + RESERVES_EARNED) * minutes * 60
    assert got < 1.05 * bound < 100 * EARNED * minutes * 60 / 25


def test_with_every_seat_an_address_never_gets_a_whole_core_for_long(budgets, members, clock):
    """Neither at first, with all that was saved, nor later; its strangers included."""
    got = {}
    for second in range(600):
        for person in range(SEATS + 1):
            for _request in range(5):
                payer = members.payer(SCHOOL, person)
                is_served = not budgets.debt(*payer)
                budgets.ask("elsewhere", 0.001)
                budgets.ask(payer.address, 0.05, payer.person)
                got[second // 60] = got.get(second // 60, 0.0) + 0.05 * is_served
        clock.now += 1
    assert got[0] < 90
    assert max(got[minute] for minute in range(1, 10)) < 0.85 * 60, got


def test_accounts_that_flood_the_site_one_after_the_other_get_little(budgets, members, clock):
    got = flood(budgets, members, clock, list(range(1, 201)), 60)
    assert got < 1.05 * (MEMBERS_SAVED + RESERVES_SAVED + (MEMBERS_EARNED + RESERVES_EARNED) * 60)


def test_one_account_that_asks_for_all_that_it_has_takes_nothing_from_the_others(budgets, members, clock):
    """It stays within its own budget, and a stranger with it uses up that of the address."""
    for second in range(600):
        budgets.ask("elsewhere", 0.01)
        budgets.ask(SCHOOL, 10)
        payer = members.payer(SCHOOL, 1)
        budgets.ask(payer.address, EARNED, payer.person)
        if second % 10 == 0:
            pupil = members.payer(SCHOOL, 2)
            budgets.ask(pupil.address, 0.2, pupil.person)
            assert (pupil, budgets.debt(*pupil)) == (Payer(SCHOOL, 2), 0)
        clock.now += 1


def test_three_accounts_that_flood_the_site_hold_back_nobody_else(budgets, members, clock):
    flood(budgets, members, clock, [1, 2, 3], 10)
    assert members.payer(SCHOOL, 9) == Payer(SCHOOL, 9)


def test_only_so_many_are_known_at_one_address_and_those_who_leave_make_room(members, clock):
    for person in range(1, SEATS + 1):
        assert members.payer(SCHOOL, person).person
    assert members.payer(SCHOOL, 99) == Payer(SCHOOL)
    assert members.payer("elsewhere", 99) == Payer("elsewhere", 99)
    clock.now += SEAT_SECONDS + 1
    assert members.payer(SCHOOL, 99) == Payer(SCHOOL, 99)


def test_who_is_barred_keeps_no_seat(budgets, members, clock):
    for person in range(1, SEATS + 1):
        members.payer(SCHOOL, person)
    budgets.ask(SCHOOL, SAVED + 1, 5)
    members.payer(SCHOOL, 5)
    assert members.payer(SCHOOL, 99) == Payer(SCHOOL, 99)


def test_a_class_with_every_seat_goes_on_beside_one_of_it_who_takes_all_that_is_shared(budgets, members, clock):
    for second in range(900):
        budgets.ask("elsewhere", 0.01)
        budgets.ask(SCHOOL, 10)
        budgets.ask(SCHOOL, 0.25, 1)
        for person in range(2, SEATS + 1):
            payer = members.payer(SCHOOL, person)
            if (second + person) % 30 == 0:
                assert payer == Payer(SCHOOL, person)
                budgets.ask(payer.address, 0.2, payer.person)
        clock.now += 1


def test_those_who_have_left_no_longer_have_a_part_of_the_reserves(budgets, members, clock):
    for person in range(1, SEATS + 1):
        members.payer(SCHOOL, person)
    clock.now += SEAT_SECONDS + 1
    for second in range(300):
        budgets.ask("elsewhere", 0.01)
        budgets.ask(SCHOOL, 10)
        budgets.ask(SCHOOL, 1, 1)
        if second % 10 == 0:
            payer = members.payer(SCHOOL, 2)
            assert payer == Payer(SCHOOL, 2)
            budgets.ask(payer.address, 0.2, payer.person)
        clock.now += 1


def test_a_class_that_works_is_not_held_back(budgets, members, clock):
    """Twenty pupils who open a page with its pictures every half minute, beside somebody who floods the site."""
    flood(budgets, members, clock, [0], 2)
    for second in range(300):
        budgets.ask("elsewhere", 0.01)
        budgets.ask(SCHOOL, 1)
        for person in range(1, 21):
            if (second + person) % 30 == 0:
                payer = members.payer(SCHOOL, person)
                assert payer.person
                budgets.ask(payer.address, 0.3, payer.person)
                assert budgets.debt(*payer) == 0
        clock.now += 1


def test_what_is_remembered_is_bounded(budgets, members, clock, monkeypatch):
    monkeypatch.setattr(module, "KEPT", 10)
    for number in range(1, 100):
        members.payer(f"address {number}", number)
        members.note(number, is_signed_in=False)
        clock.now += 1
    assert max(len(members._seats), len(members._signed_out)) <= 10


def test_an_address_whose_last_seat_is_given_up_does_not_break_the_forgetting(budgets, members, clock, monkeypatch):
    """Somebody floods the site alone at an address, and then come more addresses than are remembered."""
    monkeypatch.setattr(module, "KEPT", 10)
    flood(budgets, members, clock, [7], 1)
    assert members.payer(SCHOOL, 7) == Payer(SCHOOL)
    for number in range(1, 30):
        assert members.payer(f"address {number}", 100 + number).person
    assert len(members._seats) <= 10
